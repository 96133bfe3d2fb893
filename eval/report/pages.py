"""The HTML report: the table with its charts, a page a language with its examples, a page of definitions.

Static files without scripts; whatever comes from documents, models or names is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from eval.report import drawings
from eval.report.charts import interval_bar
from eval.report.claims import NO_JUDGE, claim_lines
from eval.report.definitions import anchor, definitions
from eval.report.failure_analysis import Fate
from eval.report.shown import Row, Shown, drawn, judged, show, worst
from eval.report.tables import COLUMNS, DETAILS, cell, costs
from eval.report.view import Variant, View, ladder_order
from mlrag.languages import Language, language

_TEMPLATES = Path(__file__).parent / "templates"
_pages = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
LOWER_IS_BETTER = frozenset(
    {"error", "invalid", "aurc", "english_leak", "reply_unknown", "reply_skipped", "names_unverified"}
    | {"claims:hallucination", "claims:noise_relevant", "claims:noise_irrelevant", "claims:self_knowledge"}
    | {key for key, _ in (*COLUMNS, *DETAILS) if key.startswith("hallucination")}
)
_pages.globals |= {
    "anchor": anchor,
    "bar": interval_bar,
    "cell": cell,
    "claim_lines": claim_lines,
    "costs": costs,
    "columns": COLUMNS,
    "figures": (*COLUMNS, *DETAILS),
    "lower": LOWER_IS_BETTER,
    "css": Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tier table and the table of the other figures, as text; the second column is the tier or language."""

    rows: list[list[str]]
    titles: list[str]
    details: list[list[str]]
    detail_titles: list[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """What came of the unanswerable questions of one kind."""

    name: str
    n: int
    silent: int
    answered: int
    invalid: int


@dataclass(frozen=True, slots=True)
class Part:
    """One variant's part of a language's page."""

    variant: Variant
    lost: Markup
    kinds: list[Kind]
    unscored: int
    failed: int
    worst: list[Shown]
    drawn: list[Shown]


def read_view(result: Mapping[str, Any]) -> View:
    """The run as the pages need it; the one place that knows the shape of `result`."""
    signature = result["signature"]
    packs = sorted((language(code) for code in signature["langs"]), key=ladder_order)
    variants = [
        Variant(name, index, tuple(v["models"]), v["tiers"], v["languages"], v["bleu"], v["details"], v["values"])
        for index, (name, v) in enumerate(result["variants"].items())
    ]
    told = signature["data"], signature.get("seed", 0), signature
    return View(result["run"], *told, tuple(packs), tuple(variants), result.get("claims", NO_JUDGE))


def write_pages(out: Path, result: Mapping[str, Any], tables: Tables) -> None:
    """index.html, definitions.html and <lang>.html below `out`, which must exist."""
    view = read_view(result)
    _write(out / "index.html", view, tables=tables, draw=drawings)
    _write(out / "definitions.html", view, text=definitions())
    for pack in view.packs:
        parts = [_part(view, variant, pack) for variant in view.variants]
        _write(out / f"{pack.code}.html", view, "language.html", pack=pack, parts=parts, draw=drawings)


def render(template: str, **values: Any) -> str:
    """A page in the report's clothes; every value is escaped that is not Markup."""
    return _pages.get_template(template).render(**values)


def _write(path: Path, view: View, template: str = "", **values: Any) -> None:
    write(path, template or path.name, view.packs, view=view, **values)


def write(path: Path, template: str, packs: Sequence[Language], **values: Any) -> None:
    """A page from a template of the folder, with the fonts of these languages."""
    page = render(template, fonts=font_rules(packs), **values)
    path.write_text(page, encoding="utf-8", errors="replace")


def _part(view: View, variant: Variant, pack: Language) -> Part:
    rows = judged(variant.rows[pack.code], variant.values[pack.code])
    if not variant.report(pack.code):
        return Part(variant, Markup(""), [], 0, len(rows), [], [])
    fates = Counter(row.fate for row in rows)
    chance = drawn([r for r in rows if r.fate is not Fate.FAILED], f"{view.seed}:{variant.name}:{pack.code}")
    return Part(
        variant,
        drawings.lost(variant, rows),
        _kinds(rows),
        fates[Fate.UNSCORED],
        fates[Fate.FAILED],
        [show(row, pack) for row in worst(rows)],
        [show(row, pack) for row in chance],
    )


def _kinds(rows: Sequence[Row]) -> list[Kind]:
    found: dict[str, Counter[Fate]] = {}
    for row in rows:
        if not row.example.answerable and row.fate is not Fate.FAILED:
            found.setdefault(row.example.gap.replace("_", " "), Counter())[row.fate] += 1
    return [
        Kind(name, c.total(), c[Fate.KEPT_SILENT], c[Fate.HALLUCINATED], c[Fate.INVALID]) for name, c in found.items()
    ]


def font_rules(packs: Sequence[Language]) -> Markup:
    """Each language's own fonts, wherever an element says that it is in it."""
    rules = [f":lang({p.code}) {{ font-family: {', '.join(map(_font, p.font_stack))}; }}" for p in packs]
    return Markup("\n".join(rules))


def _font(name: str) -> str:
    plain = "".join(c for c in name if c.isalnum() or c in " -")
    return plain if plain in ("system-ui", "sans-serif", "serif") else f'"{plain}"'
