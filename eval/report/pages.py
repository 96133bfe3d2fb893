"""The HTML report: the table, and a page a language with its worst answers beside the passages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from eval.examples import Example
from eval.metrics import containment
from eval.runs import Prediction
from mlrag.languages import Language, language

WORST = 30
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"])
)


def verdict(example: Example, prediction: Prediction, lang: Language) -> str:
    """What can be said of one row: failed, hallucinated, missed, wrong, or right."""
    if prediction.error:
        return "failed"
    if not example.answerable:
        return "right" if prediction.abstained else "hallucinated"
    if prediction.abstained:
        return "missed"
    if not example.answers:
        return "unscored"
    return "right" if containment(prediction.text, example.answers, lang) else "wrong"


def write_pages(out: Path, result: dict[str, Any], rows: list[list[str]], titles: list[str]) -> None:
    """index.html and <lang>.html below `out`."""
    langs = result["signature"]["langs"]
    packs = [language(code) for code in langs]
    index = _pages.get_template("index.html").render(result=result, rows=rows, titles=titles, packs=packs)
    (out / "index.html").write_text(index, encoding="utf-8")
    for pack in packs:
        worst = []
        for variant, found in result["variants"].items():
            judged = [(variant, e, p, verdict(e, p, pack)) for e, p in found["details"][pack.code]]
            order = {"hallucinated": 0, "wrong": 1, "missed": 2, "failed": 3}
            worst += sorted((j for j in judged if j[3] in order), key=lambda j: order[j[3]])[:WORST]
        own = [row for row in rows if row[1] == pack.code]
        page = _pages.get_template("language.html").render(
            pack=pack, worst=worst, rows=own, titles=titles, result=result
        )
        (out / f"{pack.code}.html").write_text(page, encoding="utf-8")
