"""Durable verdicts: each is on disk before the next is asked for, so a stopped judge resumes and repeats nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.examples import read_jsonl
from eval.judge.asking import Judge, fingerprint
from eval.judge.items import Item, Label, Verdict


def file_name(name: str) -> str:
    """A variant's or a person's name as part of a file's name; different names never collide."""
    safe = "".join(c if c.isalnum() or c in "+-." else "_" for c in name)
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def append(path: Path, row: Mapping[str, Any]) -> None:
    """One more line, synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines so far; a last one that a crash cut is dropped."""
    if not path.is_file():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        path.write_bytes(data[: data.rfind(b"\n") + 1])
    yield from read_jsonl(path)


def judge_all(judge: Judge, items: Sequence[Item], path: Path, tick: Callable[[], object]) -> list[Verdict]:
    """Every item's verdict in order, asking only what is not there yet. Raises GeneratorUnavailableError.

    A verdict counts as there if all that the judge is shown is still the same; failed ones are asked again.
    """
    done = {v.key: v for v in map(_read, read_rows(path)) if not v.error}
    found = []
    for item in items:
        verdict = done.get(fingerprint(item))
        if verdict is None:
            verdict = judge.verdict(item)
            append(path, asdict(verdict))
            done |= {} if verdict.error else {verdict.key: verdict}
        found.append(verdict)
        tick()
    return found


def _read(row: dict[str, Any]) -> Verdict:
    return Verdict(**(row | {"label": Label(row["label"])}))
