"""python benchmarks/judge_coverage.py [--trials 2000]: how often a judge's corrected interval holds the truth.

The exam as it is (18 questions, 2 right and 5 other answers each), the run as our own questions make it (18 topics of 3
rows) or larger; the judge's mistakes and the variant's go by question and topic (intraclass correlation .1). Marked
*: what is not printed, or where an assumption is broken on purpose. Markdown on stdout.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from simulated import SEED, Rng, clustered

from eval.judge.correction import correct_by_exam
from eval.judge.exam import compute_youden
from eval.statistics import Estimate, Interval, clustered_rate, ppi, wilson

ALIKE = 0.1
Rows = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Setting:
    """A judge, the true share, the run's size, and how specific the judge is on the run (the exam may be easier)."""

    sensitivity: float
    specificity: float
    truth: float
    topics: int = 18
    on_run: float | None = None

    @property
    def name(self) -> str:
        run = f", on the run {self.on_run}" if self.on_run else ""
        return f"judge {self.sensitivity}/{self.specificity}{run}, truth {self.truth}, {self.topics}×3"


def settings() -> list[Setting]:
    judges = ((0.95, 0.95), (0.9, 0.9), (0.99, 0.85), (0.8, 0.95))
    found = [Setting(s, c, t, n) for s, c in judges for t in (0.1, 0.5, 0.8, 0.95) for n in (18, 100)]
    return [*found, Setting(0.9, 0.95, 0.5, 100, on_run=0.8)]


def rows(values: np.ndarray) -> Rows:
    return [(c, float(v)) for c, found in enumerate(values) for v in found]


def draw(it: Setting, rng: Rng) -> tuple[Rows, Rows, Rows]:
    """Verdicts on the run, on the exam's right answers, on its others."""
    truth = clustered(rng, it.truth, ALIKE, it.topics, 3)
    said = np.where(truth, clustered(rng, it.sensitivity, ALIKE, *truth.shape), 0)
    said += np.where(1 - truth, clustered(rng, 1 - (it.on_run or it.specificity), ALIKE, *truth.shape), 0)
    right = clustered(rng, it.sensitivity, ALIKE, 18, 2)
    return rows(said), rows(right), rows(clustered(rng, 1 - it.specificity, ALIKE, 18, 5))


def corrected(judged: Rows, right: Rows, other: Rows) -> Interval:
    return correct_by_exam(judged, right, other).interval


def alone(judged: Rows, right: Rows, other: Rows) -> Interval:
    del right, other
    return clustered_rate([v for _, v in judged], [c for c, _ in judged])


def exam_as_labels(judged: Rows, right: Rows, other: Rows) -> Interval:
    """PPI++ with the exam for labelled rows, as if the run were made like it."""
    truth = [1.0] * len(right) + [0.0] * len(other)
    clusters = [("exam", c) for c, _ in [*right, *other]]
    seen = [v for _, v in [*right, *other]]
    return ppi(truth, seen, [v for _, v in judged], clusters, [("run", c) for c, _ in judged]).interval


METHODS: dict[str, Callable[[Rows, Rows, Rows], Interval]] = {
    "Rogan-Gladen": corrected,
    "judge alone *": alone,
    "PPI++ on the exam *": exam_as_labels,
}


def line(it: Setting, method: str, covered: int, trials: int, width: float) -> str:
    own = wilson(covered / trials, trials)
    broken = method.endswith("*") or it.on_run
    inside = "" if broken else "yes" if 0.93 <= covered / trials <= 0.97 else "**no**"
    figures = f"{100 * covered / trials:.1f} [{100 * own.low:.1f}, {100 * own.high:.1f}] | {width / trials:.3f}"
    return f"| {it.name} | {method} | {figures} | {inside} |"


def measure(it: Setting, trials: int) -> list[str]:
    rng = np.random.default_rng([SEED, zlib.crc32(it.name.encode())])
    covered, width = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    for _ in range(trials):
        data = draw(it, rng)
        for name, method in METHODS.items():
            found = method(*data)
            covered[name] += it.truth in found
            width[name] += found.width
    return [line(it, name, covered[name], trials, width[name]) for name in METHODS]


def admission(trials: int) -> list[str]:
    """How often a judge of a known worth passes the bar, and how often the interval of its worth holds it."""
    lines = []
    for sensitivity, specificity in ((0.7, 0.8), (0.75, 0.75), (0.8, 0.9), (0.9, 0.9), (0.95, 0.95)):
        rng = np.random.default_rng([SEED, round(1000 * sensitivity), round(1000 * specificity)])
        found = []
        for _ in range(trials):
            parts = clustered(rng, sensitivity, ALIKE, 18, 2), clustered(rng, specificity, ALIKE, 18, 5)
            found.append(compute_youden(*(_estimate(rows(p)) for p in parts)).interval)
        held = sum(sensitivity + specificity - 1 in i for i in found) / trials
        passed = sum(i.low >= 0.5 for i in found) / trials
        lines.append(f"| {sensitivity}/{specificity} | {100 * held:.1f} | {100 * passed:.1f} |")
    return lines


def _estimate(found: Rows) -> Estimate:
    values = [v for _, v in found]
    return Estimate(float(np.mean(values)), clustered_rate(values, [c for c, _ in found]), len(found))


def main(trials: Annotated[int, typer.Option(min=1, help="Data sets drawn for each row of the table.")] = 2000) -> None:
    """Coverage of the corrected share, and of the exam's worth."""
    typer.echo(f"{trials} trials each, seed {SEED}. Coverage in percent with its own 95 % interval.\n")
    typer.echo("| data | method | coverage | mean width | in 93-97 |\n|---|---|---|---|---|")
    for it in settings():
        typer.echo("\n".join(measure(it, trials)))
    typer.echo("\n| judge (sensitivity/specificity) | interval holds their sum - 1, % | admitted, % |\n|---|---|---|")
    typer.echo("\n".join(admission(trials)))


if __name__ == "__main__":
    typer.run(main)
