"""Append-only JSON lines, each on disk before its result is used, and the loop that resumes from them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from eval.datasets.own import read_jsonl

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


def file_name(name: str) -> str:
    """Turn a variant's or a person's name into part of a file name; different names never collide."""
    safe = "".join(c if c.isalnum() or c in "+-." else "_" for c in name)
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Append one row; it is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows so far; none without the file.

    A last line that a kill cut off is cut away in one step, so that a kill here loses nothing.
    """
    if not path.is_file():
        return
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    if end < len(data):
        os.truncate(path, end)
    yield from read_jsonl(path)


def at_once(work: Callable[[Item], Result], items: Sequence[Item], concurrency: int, name: str) -> list[Result]:
    """Return the result for each item, in order, working on at most `concurrency` at once.

    A failure or an interrupt lets those under way end, and no more are begun. `name` is that of the threads.
    """
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix=name)
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)


def resume(
    done: Mapping[Key, Result],
    items: Sequence[Item],
    key: Callable[[Item], Key],
    work: Callable[[Item], Result],
    concurrency: int,
    name: str,
) -> list[Result]:
    """Return the result for each item, in order, working only on those whose key is not in `done`, each key once.

    `work` must append its result to the log that `done` was read from, so that a stopped run goes on from there.
    """
    missing = {key(item): item for item in items if key(item) not in done}
    results: dict[Key, Result] = {**done}
    results.update(zip(missing, at_once(work, list(missing.values()), concurrency, name), strict=True))
    return [results[key(item)] for item in items]
