"""The HTML report: the table, and a page a language with its worst answers beside the passages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from eval.examples import Example
from eval.metrics import containment
from eval.outcome import Outcome, outcome
from eval.runs import Prediction
from mlrag.languages import Language, language

WORST = 30
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"])
)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tier table and the table of the other figures, as text; the second column is the tier or language."""

    rows: list[list[str]]
    titles: list[str]
    details: list[list[str]]
    detail_titles: list[str]

    def of(self, group: str) -> Tables:
        """Only the rows of one tier or language."""
        rows, details = ([r for r in kept if r[1] == group] for kept in (self.rows, self.details))
        return Tables(rows, self.titles, details, self.detail_titles)


def verdict(example: Example, prediction: Prediction, lang: Language) -> str:
    """What can be said of one row: failed, invalid, hallucinated, missed, unscored, wrong, or right."""
    if prediction.error:
        return "failed"
    said = outcome(prediction, lang)
    if said is Outcome.INVALID:
        return "invalid"
    if not example.answerable:
        return "right" if said is Outcome.ABSTAINED else "hallucinated"
    if said is Outcome.ABSTAINED:
        return "missed"
    if not example.answers:
        return "unscored"
    return "right" if containment(prediction.text, example.answers, lang) else "wrong"


def write_pages(out: Path, result: dict[str, Any], tables: Tables) -> None:
    """index.html and <lang>.html below `out`."""
    langs = result["signature"]["langs"]
    packs = [language(code) for code in langs]
    index = _pages.get_template("index.html").render(result=result, tables=tables, packs=packs)
    (out / "index.html").write_text(index, encoding="utf-8")
    for pack in packs:
        worst = []
        for variant, found in result["variants"].items():
            judged = [(variant, e, p, verdict(e, p, pack)) for e, p in found["details"][pack.code]]
            order = {"hallucinated": 0, "wrong": 1, "missed": 2, "invalid": 3, "failed": 4}
            worst += sorted((j for j in judged if j[3] in order), key=lambda j: order[j[3]])[:WORST]
        page = _pages.get_template("language.html").render(
            pack=pack, worst=worst, tables=tables.of(pack.code), result=result
        )
        (out / f"{pack.code}.html").write_text(page, encoding="utf-8")
