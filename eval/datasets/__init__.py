"""Evaluation sets that people bring, by path or by their name on the hub: `open_suite` reads them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from eval.datasets import belebele, global_mmlu, include, mkqa, nomiracl, squad, truthfulqa
from eval.datasets.base import OWN, Card, Dataset, DatasetItem, Format, gather
from eval.datasets.codes import language_of
from eval.datasets.folder import is_plain, read_folder
from eval.datasets.hub import PREFIX, fetch
from eval.datasets.rows import SUFFIXES, first_row, read_rows
from mlrag.errors import CorpusFormatError

__all__ = ["FORMATS", "OWN", "Card", "Dataset", "detect_format", "index_folder", "open_dataset"]

FORMATS: tuple[Format, ...] = (
    belebele.FORMAT,
    include.FORMAT,
    global_mmlu.FORMAT,
    mkqa.FORMAT,
    nomiracl.FORMAT,
    truthfulqa.FORMAT,
    truthfulqa.HUB_FORMAT,
    squad.FORMAT,
)


def open_dataset(data: Path, langs: Iterable[str] | None, cache: Path) -> Dataset:
    """Read a set: the plain folder, a public format, or "hub:NAME", which is fetched into `cache` first.

    Raises CorpusFormatError naming the file and row at fault, or all that was looked for.
    """
    wanted = set(langs) if langs else None
    if str(data).startswith(PREFIX):
        data = fetch(str(data), sorted(wanted or ()), cache)
    if not data.exists():
        raise CorpusFormatError(f"{data} is not there", "give a file, a folder, or hub:NAME")
    if data.is_dir() and is_plain(data):
        return read_folder(data, wanted)
    if data.is_dir() and nomiracl.is_folder(data):
        return gather(nomiracl.read_folder(data), data, nomiracl.CARD, wanted)
    found = detect_format(data)
    only = next(iter(wanted)) if wanted and len(wanted) == 1 else ""
    return gather(_items(data, found, only), data, found.card, wanted)


def index_folder(data: Path, root: Path) -> Path:
    """Where a set's index lies below `root`: two sets of one name ("test.jsonl") in two places have two."""
    place = str(data) if str(data).startswith(PREFIX) else str(data.resolve())
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    return root / "eval" / f"{Path(place).name.replace(':', '_')}-{digest}-index"


def detect_format(path: Path) -> Format:
    """The format of a file, or of all files in a folder, by the fields of their first rows.

    Raises CorpusFormatError saying what was looked for, or which two formats are mixed.
    """
    found = {file: f for file in _files(path) if (f := _format_of(file))}
    kinds = {f.card.name for f in found.values()}
    if len(kinds) > 1:
        raise CorpusFormatError(f"{path} mixes {' and '.join(sorted(kinds))}", "give them one at a time")
    if not found:
        looked = "; ".join(f"{f.card.name.split(',')[0]}: {', '.join(sorted(f.signs))}" for f in FORMATS)
        raise CorpusFormatError(
            f"{path} is in no known format",
            f"looked for *.passages.jsonl, topics/*.tsv with qrels/*.tsv, and {' / '.join(SUFFIXES[:3])} whose first "
            f"row has the fields of {looked}",
        )
    return next(iter(found.values()))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.name.endswith(SUFFIXES))


def _format_of(path: Path) -> Format | None:
    row = first_row(path) if path.name.endswith(SUFFIXES) else None
    return next((f for f in FORMATS if row and f.signs <= set(row.values)), None)


def _items(path: Path, found: Format, only: str) -> Iterator[DatasetItem]:
    for file in _files(path):
        if path.is_file() or _format_of(file):
            yield from found.read(read_rows(file), language_of(file) or only)
