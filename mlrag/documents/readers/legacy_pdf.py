"""Convert the pages of a PDF with legacy fonts, from pdftohtml's XML, which names the font of every run of text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import regex
from defusedxml.ElementTree import fromstring

from mlrag.documents.readers.legacy_fonts import find_legacy_font, is_legacy_text
from mlrag.errors import DocumentError

_CONTROL = regex.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # poppler writes them though XML forbids them
_NEAR = 3  # units of pdftohtml (1/108 inch) within which two runs are on one line


def convert_pages(xml: str, path: Path) -> list[str]:
    """Return one text a page, runs in legacy fonts converted. Raises DocumentError for XML that cannot be parsed."""
    try:
        root = fromstring(_CONTROL.sub("", xml).encode())
    except ParseError as error:
        raise DocumentError(f"{path}: poppler's XML of it cannot be read: {error}") from error
    fonts: dict[str, str] = {}
    pages = []
    for page in root.iter("page"):
        fonts |= {spec.get("id", ""): spec.get("family", "") for spec in page.iter("fontspec")}
        pages.append("\n".join(_lines(page, fonts)))
    return pages


def _lines(page: Any, fonts: dict[str, str]) -> Iterator[str]:
    line: list[Any] = []
    top = 0
    for run in page.iter("text"):
        run_top = int(run.get("top", "0"))
        if line and abs(run_top - top) > _NEAR:
            yield _line(line, fonts)
            line = []
        line.append(run)
        top = run_top
    if line:
        yield _line(line, fonts)


def _line(runs: list[Any], fonts: dict[str, str]) -> str:
    """The text of a line. Neighbours in one font are converted together: a vowel sign may precede its letter."""
    parts = []
    for name, group in groupby(runs, key=lambda run: fonts.get(run.get("font", ""), "")):
        text = _join(list(group))
        font = find_legacy_font(name)
        parts.append(font.convert(text) if font and font.convert and is_legacy_text(text) else text)
    return " ".join(part.strip() for part in parts)


def _join(runs: list[Any]) -> str:
    """The texts of the runs, with a space where there is a gap of 20 % of the line's height."""
    text, end = "", None
    for run in runs:
        left, width, height = (int(run.get(name, "0")) for name in ("left", "width", "height"))
        gap = end is not None and left - end > height / 5
        text += (" " if gap else "") + "".join(run.itertext())
        end = left + width
    return text
