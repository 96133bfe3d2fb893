"""docs/measurement.md as a page of the report, with a place to point to for every column."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import regex
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from eval.report.tables import COLUMNS, DETAIL_TITLES

_SOURCE = Path(__file__).parents[2] / "docs" / "measurement.md"
TITLES = frozenset({*(title for _, title in COLUMNS), *DETAIL_TITLES, "s p50 / p95"})


def anchor(title: str) -> str:
    """The id of a column's or heading's place in the page: "accuracy (contains)" -> "accuracy-contains"."""
    return regex.sub(r"[^\p{L}\p{N}]+", "-", title.casefold()).strip("-")


def definitions() -> Markup:
    """The page's HTML. What its source holds of HTML stays text."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(_SOURCE.read_text(encoding="utf-8"))
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(inline.content))
        elif opening.type == "td_open":
            _point(inline)
    return Markup(reader.renderer.render(tokens, reader.options, {}))


def _point(cell: Token) -> None:
    """A place to point to before each column title that the cell names."""
    for title in cell.content.split(", "):
        if title in TITLES and cell.children is not None:
            place = Token("html_inline", "", 0, content=f'<a id="{anchor(title)}"></a>')
            cell.children.insert(0, place)
