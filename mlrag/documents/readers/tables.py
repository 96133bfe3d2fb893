"""Read CSV and JSONL: a document a row where there is a column of texts, else one document of the whole table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mlrag.documents.readers.base import ExtractedFile, ExtractedText, Limits, read_bytes
from mlrag.documents.readers.encoding import decode
from mlrag.errors import DocumentError

_FIELDS = ("text", "id", "title", "lang")
_DELIMITERS = ",;\t|"


def read_csv(path: Path, limits: Limits) -> ExtractedFile:
    """Read rows as texts: columns named text, title, id and lang are those fields, others become meta.

    Without a column `text` the table is one document: a paragraph a row, "column: value" a cell.
    """
    raw, warnings = decode(read_bytes(path, limits), path)
    csv.field_size_limit(limits.size)
    try:
        rows = [row for row in csv.reader(io.StringIO(raw, newline=""), delimiter=_delimiter(raw)) if any(row)]
    except csv.Error as error:
        raise DocumentError(f"{path} is not a CSV that can be read: {error}") from error
    if len(rows) < 2:
        raise DocumentError(f"{path} has no rows below its header")
    header = [name.strip() for name in rows[0]]
    if "text" not in map(str.casefold, header):
        return ExtractedFile((ExtractedText(_write_out(header, rows[1:])),), warnings)
    keys = [name.casefold() if name.casefold() in _FIELDS else name for name in header]
    return _rows(
        ((number, dict(zip(keys, row, strict=False))) for number, row in enumerate(rows[1:], 2)), path, warnings
    )


def _delimiter(raw: str) -> str:
    """The delimiter that is most frequent in the first line; a comma without any."""
    first = raw[: raw.find("\n") if "\n" in raw else len(raw)]
    return max(_DELIMITERS, key=first.count)


def _write_out(header: list[str], rows: list[list[str]]) -> str:
    """A paragraph a row, "column: value" a cell; cells beyond the header have no column name."""
    paragraphs = []
    for row in rows:
        cells = [(name, value.strip()) for name, value in zip_longest(header[: len(row)], row, fillvalue="")]
        paragraphs.append("\n".join(f"{name}: {value}" if name else value for name, value in cells if value))
    return "\n\n".join(paragraphs)


def read_jsonl(path: Path, limits: Limits) -> ExtractedFile:
    """Read one object a line: {"text", "id", "title", "lang"}, all but text optional; other keys become meta."""
    raw, warnings = decode(read_bytes(path, limits), path)
    problems: list[str] = []
    content = _rows(_objects(raw, path, problems), path, warnings)
    return ExtractedFile(content.texts, (*content.warnings, *problems))


def _objects(raw: str, path: Path, problems: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(raw.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}, line {number} skipped: {str(error)[:100]}")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problems.append(f"{path}, line {number} skipped: it is not an object")


def _rows(rows: Iterator[tuple[int, Mapping[str, Any]]], path: Path, warnings: tuple[str, ...]) -> ExtractedFile:
    """The texts of the rows. A row without text, or with the id of another row, is skipped with a warning."""
    texts: list[ExtractedText] = []
    seen: set[tuple[str, str]] = set()
    problems: list[str] = []
    for number, row in rows:
        text, key = row.get("text"), str(row.get("id") or f"{number}")
        lang = str(row.get("lang") or "")
        if not isinstance(text, str) or not text.strip():
            problems.append(f"{path}, row {number} skipped: it has no text")
        elif (key, lang) in seen:
            problems.append(f"{path}, row {number} skipped: the id {key!r} belongs to another row")
        else:
            seen.add((key, lang))
            meta = {k: v for k, v in row.items() if k not in _FIELDS and v not in ("", None)}
            row_id = str(row["id"]) if row.get("id") else f"#{number}"
            texts.append(ExtractedText(text, row_id, str(row.get("title") or ""), lang, meta))
    if not texts:
        raise DocumentError(f"{path} holds no text", problems[0] if problems else "")
    return ExtractedFile(tuple(texts), (*warnings, *problems))
