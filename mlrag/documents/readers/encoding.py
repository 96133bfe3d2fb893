"""Decode bytes of unknown encoding, and recognise text that was decoded wrongly before."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

import regex

from mlrag.errors import DocumentError

_MARKS = (  # the longest first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 200_000  # bytes that an encoding is guessed from
_REFUSED = 0.05  # proportion of damaged letters from which a text is refused: nothing could be found in it
_HIGH = regex.compile(r"[\u0080-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2122]{2,}")
_LETTER = regex.compile(r"\p{L}")


def decode(data: bytes, path: Path, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Return (text, warnings). A byte order mark decides, else the `declared` encoding, else UTF-8, else a guess.

    A guess adds a warning with the encoding's name. Raises DocumentError for bytes that are not text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_marked(data[len(mark) :], encoding, path)
    for encoding in (declared, _detect_utf16(data), "utf-8"):
        text = _try(data, encoding)
        if text is not None and ("\0" not in text):
            return text, check_mojibake(text, path)
    return _guess(data, path)


def _decode_marked(data: bytes, encoding: str, path: Path) -> tuple[str, tuple[str, ...]]:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{path} begins with the mark of {encoding.upper()} but breaks off at byte {error.start} ({error.reason})",
            "save it as UTF-8",
        ) from error
    return text, check_mojibake(text, path)


def _detect_utf16(data: bytes) -> str:
    """The UTF-16 encoding of bytes without a mark, recognised by the zeros in its spaces and line ends; else ""."""
    head = data[:2000]
    for encoding, space in (("utf-16-le", b" \0"), ("utf-16-be", b"\0 ")):
        zeros = head[encoding == "utf-16-le" :: 2].count(0)
        if zeros and space in head and len(data) % 2 == 0:
            return encoding
    return ""


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding) if encoding else None
    except (UnicodeDecodeError, LookupError):
        return None


def _guess(data: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    from charset_normalizer import from_bytes

    best = None if b"\0" in data else from_bytes(data[:_SAMPLE]).best()
    text = None if best is None else _try(data, best.encoding)
    if best is None or text is None:
        raise DocumentError(f"{path} is not text in a known encoding", "save it as UTF-8")
    return text, (f"{path} is not UTF-8: read as {best.encoding}, a guess; if it looks wrong, save it as UTF-8",)


def check_mojibake(text: str, path: Path) -> tuple[str, ...]:
    """Return a warning when characters are lost (U+FFFD) or UTF-8 was once read as Windows-1252 ("Ã©" for "é").

    Raises DocumentError when 5 % of the letters or more are damaged.
    """
    lost = text.count("\ufffd")
    wrong = sum(len(run) for run in _find_misread(text))
    if not lost and not wrong:
        return ()
    example = "U+FFFD" if lost >= wrong else next(_find_misread(text))[:12]
    letters = len(_LETTER.findall(text))
    message = f"{path}: {lost + wrong} characters are damaged (such as {example}): its encoding was once misread"
    if lost + wrong >= _REFUSED * max(letters, 1):
        raise DocumentError(message, "export it again from its source as UTF-8")
    return (message,)


def _find_misread(text: str) -> Iterator[str]:
    """Runs of Windows-1252 characters that are UTF-8 if taken as bytes, except a closing » after a capital."""
    for match in _HIGH.finditer(text):
        run = match.group()
        if run[1:] == "»":
            continue
        try:
            read = b"".join(c.encode("latin-1") if c < "\u0100" else c.encode("cp1252") for c in run).decode("utf-8")
        except UnicodeError:
            continue
        if len(read) < len(run):
            yield run
