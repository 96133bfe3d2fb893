"""Read PDFs with poppler's programs: exact for Indic scripts, where the Python readers are not."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import regex

from mlrag.documents.readers.base import ExtractedFile, ExtractedText, Limits, check_size
from mlrag.documents.readers.legacy_fonts import LegacyFont, find_legacy_font
from mlrag.documents.readers.legacy_pdf import convert_pages
from mlrag.documents.readers.poppler import run_poppler
from mlrag.errors import DocumentError
from mlrag.text.normalize import clean

_LETTER = regex.compile(r"[\p{L}\p{N}]")


def read(path: Path, limits: Limits) -> ExtractedFile:
    """Read one text, a blank line between pages; meta `pages` holds the offset at which each page begins.

    Raises DocumentError where poppler is missing, for a password, a scan without text, or a font without a converter.
    """
    check_size(path, path.stat().st_size, limits)
    legacy = _legacy_fonts(path, limits)
    pages = [clean(page).strip() for page in _pages(path, limits, bool(legacy))]
    blank = [number for number, page in enumerate(pages, 1) if not _LETTER.search(page)]
    if len(blank) == len(pages):
        raise DocumentError(
            f"{path} has no text on its {len(pages)} pages: it is scanned",
            "recognise its text first, e.g. with ocrmypdf",
        )
    meta: dict[str, Any] = {"pages": _starts(pages)}
    if legacy:
        meta["converted_from"] = ", ".join(sorted({font.family for font in legacy}))
    return ExtractedFile((ExtractedText("\n\n".join(pages), meta=meta),), _warnings(path, blank, len(pages), legacy))


def _legacy_fonts(path: Path, limits: Limits) -> list[LegacyFont]:
    """The legacy fonts of the file. Raises DocumentError for one that cannot be converted."""
    names = [line.split()[0] for line in run_poppler(path, limits, "pdffonts").splitlines()[2:] if line.strip()]
    fonts = [font for name in names if (font := find_legacy_font(name))]
    for font in fonts:
        if font.convert is None:
            raise DocumentError(
                f"{path} is set in {font.family}, a {font.script} font from before Unicode that cannot be converted",
                font.fix,
            )
    return fonts


def _pages(path: Path, limits: Limits, by_font: bool) -> list[str]:
    if by_font:
        options = ("-xml", "-i", "-fontfullname", "-enc", "UTF-8", "-stdout")
        return convert_pages(run_poppler(path, limits, "pdftohtml", *options), path)
    return run_poppler(path, limits, "pdftotext", "-enc", "UTF-8", "-").split("\f")[:-1]


def _starts(pages: list[str]) -> list[int]:
    """The offset of each page in the joined text, which begins with the first word of the first page with text."""
    starts, at = [], -sum(2 for _ in takewhile(lambda page: not page, pages))
    for page in pages:
        starts.append(max(0, at))
        at += len(page) + 2
    return starts


def _warnings(path: Path, blank: list[int], pages: int, legacy: list[LegacyFont]) -> tuple[str, ...]:
    warnings = []
    if blank:
        shown = ", ".join(map(str, blank[:10])) + (" …" if len(blank) > 10 else "")
        warnings.append(f"{path}: {len(blank)} of {pages} pages have no text, perhaps scans: {shown}")
    if legacy:
        names = ", ".join(sorted({font.family for font in legacy}))
        warnings.append(f"{path}: converted from {names}, a font from before Unicode; check a page")
    return tuple(warnings)
