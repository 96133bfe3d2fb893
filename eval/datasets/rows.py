"""Rows of JSON, JSON lines, CSV and SQuAD files, gzip-compressed or not, each with its place."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from eval.datasets.base import SourceRow
from mlrag.errors import CorpusFormatError

SUFFIXES = (".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz")


def open_text(path: Path) -> TextIO:
    """A text file, read as UTF-8 with or without a byte order mark, unpacked where it ends in .gz."""
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def read_rows(path: Path) -> Iterator[SourceRow]:
    """The file's rows in order. Raises CorpusFormatError naming the file and the row that cannot be read."""
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    values = {"jsonl": _lines, "json": _json, "csv": _csv}[kind](path)
    try:
        for number, row in enumerate(values, 1):
            if not isinstance(row, dict):
                raise CorpusFormatError(f"{path}: row {number} is not an object: {str(row)[:80]!r}")
            yield SourceRow(path, number, row)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusFormatError(f"{path} cannot be read: {error}", "is it whole, and UTF-8?") from error


def first_row(path: Path) -> SourceRow | None:
    return next(islice(read_rows(path), 1), None)


def _lines(path: Path) -> Iterator[Any]:
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _parse_json(line, f"{path}: line {number}")


def _json(path: Path) -> Iterator[Any]:
    with open_text(path) as file:
        text = file.read()
    if "\n" in text.strip() and text.lstrip().startswith("{") and _is_lines(text):
        yield from _lines(path)  # JSON lines under the name .json, as hub exports have it
        return
    whole = _parse_json(text, str(path))
    data = whole.get("data", [whole]) if isinstance(whole, dict) else whole
    if not isinstance(data, list):
        raise CorpusFormatError(f"{path}: 'data' is not a list")
    for number, entry in enumerate(data, 1):
        if isinstance(entry, dict) and "paragraphs" in entry:
            yield from _questions(entry, f"{path}: article {number}")
        else:
            yield entry


def _is_lines(text: str) -> bool:
    try:
        json.loads(text.lstrip().splitlines()[0])
    except json.JSONDecodeError:
        return False
    return True


def _csv(path: Path) -> Iterator[Any]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with open_text(path) as file:
        yield from csv.DictReader(file)


def _parse_json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CorpusFormatError(f"{place} is not JSON: {error}") from error


def _questions(article: dict[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """SQuAD's nested articles, flat: one row a question, as the hub has them."""
    try:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                yield {"title": article.get("title", ""), "context": paragraph["context"], **asked}
    except (KeyError, TypeError) as error:
        raise CorpusFormatError(f"{place} is not in SQuAD's form: {error!r}") from error
