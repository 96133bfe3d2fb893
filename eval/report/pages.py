"""The HTML report: the table with its charts, a page a language with its examples, a page of definitions.

Static files without scripts; whatever comes from documents, models or names is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from eval.report import drawings
from eval.report.charts import interval_bar
from eval.report.definitions import anchor, definitions
from eval.report.examples import AnalysedRow, ExampleView, analyse_rows, sample_rows, select_worst, view_example
from eval.report.failure_analysis import FailureStage
from eval.report.tables import COLUMNS, DETAILS, claim_lines, format_bleu, format_costs, format_metric
from eval.report.view import VariantView, View, make_view
from eval.results.run_report import RunReport
from mlrag.languages import Language

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
    "format_metric": format_metric,
    "format_bleu": format_bleu,
    "claim_lines": claim_lines,
    "format_costs": format_costs,
    "columns": COLUMNS,
    "metrics": (*COLUMNS, *DETAILS),
    "lower": LOWER_IS_BETTER,
    "css": Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tier table and the table of the other metrics, as text; the second column is the tier or language."""

    rows: list[list[str]]
    titles: list[str]
    details: list[list[str]]
    detail_titles: list[str]


@dataclass(frozen=True, slots=True)
class UnanswerableCounts:
    """What came of the unanswerable questions of one kind."""

    name: str
    n: int
    abstained: int
    answered: int
    invalid: int


@dataclass(frozen=True, slots=True)
class VariantSection:
    """One variant's section of a language's page."""

    variant: VariantView
    lost: Markup
    kinds: list[UnanswerableCounts]
    unscored: int
    failed: int
    worst: list[ExampleView]
    sample: list[ExampleView]


def write_pages(out: Path, report: RunReport, tables: Tables) -> None:
    """Write index.html, definitions.html and <lang>.html below `out`, which must exist."""
    view = make_view(report)
    _write_view(out / "index.html", view, tables=tables, draw=drawings)
    _write_view(out / "definitions.html", view, text=definitions())
    for pack in view.packs:
        sections = [_section(view, variant, pack) for variant in view.variants]
        _write_view(out / f"{pack.code}.html", view, "language.html", pack=pack, sections=sections, draw=drawings)


def render(template: str, **values: Any) -> str:
    """Render a template of this folder; every value is escaped that is not Markup."""
    return _pages.get_template(template).render(**values)


def _write_view(path: Path, view: View, template: str = "", **values: Any) -> None:
    write(path, template or path.name, view.packs, view=view, **values)


def write(path: Path, template: str, packs: Sequence[Language], **values: Any) -> None:
    """Write a page from a template of this folder, with the fonts of these languages."""
    page = render(template, fonts=font_rules(packs), **values)
    path.write_text(page, encoding="utf-8", errors="replace")


def _section(view: View, variant: VariantView, pack: Language) -> VariantSection:
    rows = analyse_rows(variant.result.rows[pack.code], variant.result.values[pack.code])
    if not variant.report(pack.code):
        return VariantSection(variant, Markup(""), [], 0, len(rows), [], [])
    counts = Counter(row.stage for row in rows)
    answered = [r for r in rows if r.stage is not FailureStage.FAILED]
    sample = sample_rows(answered, f"{view.seed}:{variant.name}:{pack.code}")
    return VariantSection(
        variant,
        drawings.draw_losses(variant, rows),
        _count_unanswerable(rows),
        counts[FailureStage.UNSCORED],
        counts[FailureStage.FAILED],
        [view_example(row, pack) for row in select_worst(rows)],
        [view_example(row, pack) for row in sample],
    )


def _count_unanswerable(rows: Sequence[AnalysedRow]) -> list[UnanswerableCounts]:
    by_kind: dict[str, Counter[FailureStage]] = {}
    for row in rows:
        if not row.example.answerable and row.stage is not FailureStage.FAILED:
            by_kind.setdefault(row.example.gap.replace("_", " "), Counter())[row.stage] += 1
    stages = FailureStage.RIGHTLY_ABSTAINED, FailureStage.HALLUCINATED, FailureStage.INVALID
    return [UnanswerableCounts(name, c.total(), *(c[stage] for stage in stages)) for name, c in by_kind.items()]


def font_rules(packs: Sequence[Language]) -> Markup:
    """Return CSS rules that set each language's own fonts wherever an element says that it is in it."""
    rules = []
    for pack in packs:
        fonts = ", ".join(_css_font(name) for name in pack.font_stack)
        rules.append(f":lang({pack.code}) {{ font-family: {fonts}; }}")
    return Markup("\n".join(rules))


def _css_font(name: str) -> str:
    safe = "".join(c for c in name if c.isalnum() or c in " -")
    return safe if safe in ("system-ui", "sans-serif", "serif") else f'"{safe}"'
