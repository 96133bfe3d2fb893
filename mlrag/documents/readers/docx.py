"""Read Word documents: a zip of XML, unpacked within limits, parsed as a stream without entities."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

from mlrag.documents.readers.base import ExtractedFile, ExtractedText, Limits, check_size, read_bytes
from mlrag.errors import DocumentError

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
_COMPOUND = b"\xd0\xcf\x11\xe0"  # the older container: .doc, and every .docx with a password
_SKIPPED = (
    f"{_W}moveFrom",  # repeated where it was moved to
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # repeats the content for older programs
)
_BREAKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def read(path: Path, limits: Limits) -> ExtractedFile:
    """Read one text. Raises DocumentError for a password, a zip bomb, entities in the XML, or another kind of file."""
    data = read_bytes(path, limits)
    if data.startswith(_COMPOUND):
        raise DocumentError(f"{path} has a password or is an older .doc", "save it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in _PARTS if name in archive.namelist()]
            if _PARTS[0] not in names:
                raise DocumentError(f"{path} has no {_PARTS[0]}: it is not a Word document")
            parts = [_unpack(archive, name, path, limits) for name in names]
            core = "docProps/core.xml"
            properties = _unpack(archive, core, path, limits) if core in archive.namelist() else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise DocumentError(f"{path} is not a .docx that can be opened: {error}") from error
    ends = (element for event, element in _events(properties, path) if event == "end") if properties else ()
    title = next((element.text or "" for element in ends if element.tag == _TITLE), "")
    texts = [_paragraphs(part, path) for part in parts]
    return ExtractedFile((ExtractedText("\n\n".join(filter(None, texts)), title=title),))


def _unpack(archive: zipfile.ZipFile, name: str, path: Path, limits: Limits) -> bytes:
    """One part, neither its declared nor its actual size over the limit."""
    check_size(path, archive.getinfo(name).file_size, limits, f"unpacks in {name} to")
    with archive.open(name) as part:
        data = part.read(limits.size + 1)
    check_size(path, len(data), limits, f"unpacks in {name} to more than its header says:")
    return data


def _events(data: bytes, path: Path) -> Any:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    try:
        yield from iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True)
    except ParseError as error:
        raise DocumentError(f"{path} holds broken XML: {error}") from error
    except DefusedXmlException as error:
        raise DocumentError(
            f"{path} defines XML entities, which no Word document needs", "it may be hostile"
        ) from error


def _paragraphs(data: bytes, path: Path) -> str:
    """Paragraphs with a blank line between them; table cells are paragraphs; deleted text is not read."""
    paragraphs: list[str] = []
    words: list[str] = []
    skipped = 0
    for event, element in _events(data, path):
        if element.tag in _SKIPPED:
            skipped += 1 if event == "start" else -1
        if skipped or event == "start":
            continue
        if element.tag == f"{_W}t":
            words.append(element.text or "")
        elif element.tag in _BREAKS:
            words.append(_BREAKS[element.tag])
        elif element.tag == f"{_W}p":
            paragraphs.append("".join(words).strip())
            words = []
            element.clear()
    return "\n\n".join(filter(None, paragraphs))
