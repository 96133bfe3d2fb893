"""Read web pages: the main text by trafilatura; all visible text where it finds none."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import regex

from mlrag.documents.readers.base import ExtractedFile, ExtractedText, Limits, read_bytes
from mlrag.documents.readers.encoding import decode
from mlrag.errors import DocumentError

_CHARSET = regex.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", regex.IGNORECASE)
_XML = regex.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{1,40})")
_DECLARATION = regex.compile(r"\A\s*<\?xml[^>]*\?>")
_HIDDEN = ("script", "style", "noscript", "template", "head", "svg")
_INLINE = (
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "code",
    "em",
    "i",
    "mark",
    "q",
    "ruby",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "u",
)
# trafilatura drops the joiners that Sinhala, Persian and others are spelled with: Gothic letters replace them.
_HIDE = {0x200D: "\U00010330", 0x200C: "\U00010331"}
_SHOW = {ord(letter): joiner for joiner, letter in _HIDE.items()}
_ENOUGH = 50  # characters of a main text: trafilatura's own 250 are a long text in Chinese
_BLANKS = regex.compile(r"[^\S\n]+")
_GAPS = regex.compile(r"\s*\n\s*")


def read(path: Path, limits: Limits) -> ExtractedFile:
    """Read one text. Raises DocumentError for a page that nests its elements too deeply."""
    data = read_bytes(path, limits)
    declared = _CHARSET.search(data[:4096]) or _XML.match(data)
    raw, warnings = decode(data, path, declared.group(1).decode("ascii") if declared else "")
    raw = _DECLARATION.sub("", raw)
    title, text = _extract_main_text(raw, path)
    if not text:
        text = extract_visible_text(raw)
        warnings += (f"{path}: no main text found, so all its visible text is used",) if text else ()
    return ExtractedFile((ExtractedText(text, title=title),), warnings)


def _extract_main_text(raw: str, path: Path) -> tuple[str, str]:
    """(title, main text), "" where there is none."""
    from lxml import html
    from lxml.etree import LxmlError
    from trafilatura import extract
    from trafilatura.settings import use_config

    config = use_config()
    config.set("DEFAULT", "MIN_EXTRACTED_SIZE", str(_ENOUGH))
    parser = html.HTMLParser()
    try:
        tree = html.document_fromstring(raw, parser=parser)
    except (LxmlError, ValueError):
        return "", ""
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise DocumentError(f"{path} nests its elements too deeply to be read (256 levels)", "save it as plain text")
    title = " ".join((tree.findtext(".//title") or "").split())
    for element in tree.iter():
        element.text, element.tail = (part and part.translate(_HIDE) for part in (element.text, element.tail))
    return title, (extract(tree, include_comments=False, config=config) or "").translate(_SHOW)


class _VisibleText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden_depth += tag in _HIDDEN
        if tag not in _INLINE:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden_depth = max(0, self._hidden_depth - (tag in _HIDDEN))
        if tag not in _INLINE:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden_depth:
            self.parts.append(_BLANKS.sub(" ", data.replace("\n", " ")))


def extract_visible_text(raw: str) -> str:
    """Return all text outside scripts, styles and the head; one line for each block."""
    parser = _VisibleText()
    parser.feed(raw)
    parser.close()
    return _GAPS.sub("\n", "".join(parser.parts)).strip()
