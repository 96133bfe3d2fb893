"""Durable verdicts: each is on disk before it counts, so a stopped judge resumes and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

from eval.judge.items import Item, Label, Verdict
from eval.judge.judge import Judge, fingerprint
from eval.runner.jsonl_log import append, at_once, rows


def judge_all(
    judge: Judge, items: Sequence[Item], path: Path, tick: Callable[[], object], concurrency: int = 1
) -> list[Verdict]:
    """Every item's verdict in order, asking only what is not there yet, at most `concurrency` at once.

    A verdict counts as there if all that the judge is shown is still the same; failed ones are asked again. An
    interrupt lets those under way end and asks no more. Raises GeneratorUnavailableError.
    """
    there = {v.key: v for v in map(_read, rows(path)) if not v.error}
    keys = [fingerprint(item) for item in items]
    lock = Lock()

    def ask(item: Item) -> Verdict:
        verdict = judge.verdict(item)
        with lock:
            append(path, asdict(verdict))
        tick()
        return verdict

    new = {key: item for key, item in zip(keys, items, strict=True) if key not in there}
    for key in keys:
        if key in there:
            tick()
    there |= dict(zip(new, at_once(ask, list(new.values()), concurrency, judge.name), strict=True))
    return [replace(there[key], id=item.id) for key, item in zip(keys, items, strict=True)]


def _read(row: dict[str, Any]) -> Verdict:
    return Verdict(**(row | {"label": Label(row["label"])}))
