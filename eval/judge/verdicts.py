"""Durable verdicts: each is on disk before the next is asked for, so a stopped judge resumes and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.durable import append, rows
from eval.judge.asking import Judge, fingerprint
from eval.judge.items import Item, Label, Verdict


def judge_all(judge: Judge, items: Sequence[Item], path: Path, tick: Callable[[], object]) -> list[Verdict]:
    """Every item's verdict in order, asking only what is not there yet. Raises GeneratorUnavailableError.

    A verdict counts as there if all that the judge is shown is still the same; failed ones are asked again.
    """
    done = {v.key: v for v in map(_read, rows(path)) if not v.error}
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
