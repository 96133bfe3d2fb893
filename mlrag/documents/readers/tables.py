"""CSV and JSONL: a document a row where a column holds texts, else one document of the whole table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlrag.documents.readers.base import Content, Limits, Text, read_bytes
from mlrag.documents.readers.encoding import decode
from mlrag.errors import DocumentError

_FIELDS = ("text", "id", "title", "lang")
_DELIMITERS = ",;\t|"


def read_csv(path: Path, limits: Limits) -> Content:
    """Columns named text, title, id and lang are taken as such; others become meta.

    Without a column `text` the table is one document: a paragraph a row, "column: value" a cell.
    """
    raw, warnings = decode(read_bytes(path, limits), path)
    csv.field_size_limit(limits.size)
    try:
        rows = [row for row in csv.reader(io.StringIO(raw, newline=""), delimiter=_delimiter(raw)) if any(row)]
    except csv.Error as error:
        raise DocumentError(f"{path} is no CSV that can be read: {error}") from error
    if len(rows) < 2:
        raise DocumentError(f"{path} has no rows below its header")
    header = [name.strip() for name in rows[0]]
    if "text" not in map(str.casefold, header):
        return Content((Text("\n\n".join(_sentence(header, row) for row in rows[1:])),), warnings)
    keys = [name.casefold() if name.casefold() in _FIELDS else name for name in header]
    return _rows(
        ((number, dict(zip(keys, row, strict=False))) for number, row in enumerate(rows[1:], 2)), path, warnings
    )


def _delimiter(raw: str) -> str:
    """The sign that the first line has most of; a comma without any."""
    first = raw[: raw.find("\n") if "\n" in raw else len(raw)]
    return max(_DELIMITERS, key=first.count)


def _sentence(header: list[str], row: list[str]) -> str:
    cells = [(header[i] if i < len(header) else "", value.strip()) for i, value in enumerate(row)]
    return "\n".join(f"{name}: {value}" if name else value for name, value in cells if value)


def read_jsonl(path: Path, limits: Limits) -> Content:
    """One object a line: {"text", "id", "title", "lang"}, all but text optional; other keys become meta."""
    raw, warnings = decode(read_bytes(path, limits), path)
    problems: list[str] = []
    content = _rows(_objects(raw, path, problems), path, warnings)
    return Content(content.texts, (*content.warnings, *problems))


def _objects(raw: str, path: Path, problems: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(raw.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{path}, line {number}, left out: {str(error)[:100]}")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problems.append(f"{path}, line {number}, left out: it is no object")


def _rows(rows: Iterator[tuple[int, Mapping[str, Any]]], path: Path, warnings: tuple[str, ...]) -> Content:
    """Rows to texts; a row without one, or with an id that another has, is a warning."""
    texts: list[Text] = []
    seen: set[tuple[str, str]] = set()
    problems: list[str] = []
    for number, row in rows:
        text, key = row.get("text"), str(row.get("id") or f"{number}")
        lang = str(row.get("lang") or "")
        if not isinstance(text, str) or not text.strip():
            problems.append(f"{path}, row {number}, left out: it has no text")
        elif (key, lang) in seen:
            problems.append(f"{path}, row {number}, left out: the id {key!r} is that of another row")
        else:
            seen.add((key, lang))
            meta = {k: v for k, v in row.items() if k not in _FIELDS and v not in ("", None)}
            own = str(row["id"]) if row.get("id") else f"#{number}"
            texts.append(Text(text, own, str(row.get("title") or ""), lang, meta))
    if not texts:
        raise DocumentError(f"{path} holds no text", problems[0] if problems else "")
    return Content(tuple(texts), (*warnings, *problems))
