"""python -m benchmarks.report_size [--rows 100000]: what a report of so many rows takes.

Rows of a stored run, copied under ids of their own (`benchmarks/scoring.py`). CPU and wall seconds of each step
and the process's peak of memory after it; intervals of 10,000 items in CPU seconds.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.scoring import rows_of, seconds
from eval.metrics.summary import ABSTENTION, ANSWER, summary
from eval.report.render import render
from eval.results.evaluate import score
from eval.runner.plan import RunPlan, find_run, latest_run, read_plan
from eval.statistics import clustered_rate, paired_difference
from mlrag.settings import Settings


def intervals(console: Console) -> None:
    """Of 10,000 items in 5,000 clusters."""
    values = (np.random.default_rng(0).random(10_000) < 0.6).astype(float).tolist()
    clusters = [f"c{i // 2}" for i in range(10_000)]
    rows = list(zip(clusters, values, strict=True))
    parts = {ANSWER: rows[:6000], ABSTENTION + "near_miss": rows[6000:]}
    work: dict[str, Callable[[], object]] = {
        "rate": lambda: clustered_rate(values, clusters),
        "paired difference": lambda: paired_difference(values, clusters),
        "summary": lambda: summary(parts),
    }
    for name, one in work.items():
        console.print(f"interval of 10,000 items, {name}: {seconds(one, 3):.3f} s", highlight=False)


def main(
    rows: Annotated[int, typer.Option(min=1, help="Rows of the report.")] = 100_000,
    run: Annotated[str | None, typer.Option(help="The run whose rows are taken; the latest without it.")] = None,
) -> None:
    """Print seconds and MiB."""
    console = Console(width=140)
    intervals(console)
    data = Settings().data_dir
    folder = find_run(data, run) if run else latest_run(data)
    found = rows_of(run, rows)
    plan = RunPlan(read_plan(folder).signature, {lang: [e for e, _ in both] for lang, both in found.items()})
    predictions = {"extractive": {lang: [p for _, p in both] for lang, both in found.items()}}
    _say(console, f"{sum(map(len, found.values()))} rows, {len(found)} languages", _now())
    begun = _now()
    report = score(plan, predictions)
    _say(console, "scored, with every mean and interval", begun)
    with tempfile.TemporaryDirectory() as out:
        begun = _now()
        render(report, Path(out))
        _say(console, "report written: pages, JSON, Markdown, CSV, Parquet", begun)


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _say(console: Console, what: str, begun: tuple[float, float]) -> None:
    cpu, wall = (now - then for now, then in zip(_now(), begun, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"{what}: {cpu:.1f} s of CPU, {wall:.1f} s on the wall, peak {peak:.0f} MiB", highlight=False)


if __name__ == "__main__":
    typer.run(main)
