"""Rows that a kill cannot take back: lines of JSON, each on disk before anything is made of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from eval.datasets.own import read_jsonl

Asked = TypeVar("Asked")
Said = TypeVar("Said")


def file_name(name: str) -> str:
    """A variant's or a person's name as part of a file's name; different names never collide."""
    safe = "".join(c if c.isalnum() or c in "+-." else "_" for c in name)
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def append(path: Path, row: Mapping[str, Any]) -> None:
    """One more row; it is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows so far; none without the file. A last line that a kill cut off is cut away, in one step, so that a kill
    here loses nothing."""
    if not path.is_file():
        return
    data = path.read_bytes()
    kept = data.rfind(b"\n") + 1
    if kept < len(data):
        os.truncate(path, kept)
    yield from read_jsonl(path)


def at_once(ask: Callable[[Asked], Said], asked: Sequence[Asked], concurrency: int, name: str) -> list[Said]:
    """What `ask` says of each, in order, at most `concurrency` at once. A failure or an interrupt lets those under way
    end, and no more are begun."""
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix=name)
    try:
        return list(pool.map(ask, asked))
    finally:
        pool.shutdown(cancel_futures=True)
