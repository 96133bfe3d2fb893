"""python benchmarks/coverage.py [--trials 2000] [--only TEXT] [--grid]: how often each 95 % interval holds the truth.

Every interval of eval/statistics on simulated data, and beside it (marked *) what is printed elsewhere, or would be
wrong on these data. Markdown on stdout.
"""

from __future__ import annotations

import math
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from scenarios import grid, scenarios
from simulated import SEED

from eval import statistics as st


@dataclass(frozen=True, slots=True)
class Measured:
    scenario: str
    method: str
    covered: int
    trials: int
    width: float

    def line(self) -> str:
        rate, own = self.covered / self.trials, st.wilson(self.covered / self.trials, self.trials)
        verdict = "" if self.method.endswith("*") else "yes" if 0.93 <= rate <= 0.97 else "**no**"
        return (
            f"| {self.scenario} | {self.method} | {100 * rate:.1f} [{100 * own.low:.1f}, {100 * own.high:.1f}] "
            f"| {self.width:.3f} | {verdict} |"
        )


def measure(name: str, trials: int) -> list[Measured]:
    """Draw the scenario `trials` times, the same whichever process asks, and try its methods on each."""
    it = next(s for s in [*scenarios(), *grid()] if s.name == name)
    rng = np.random.default_rng([SEED, zlib.crc32(it.name.encode())])
    covered, width = dict.fromkeys(it.methods, 0), dict.fromkeys(it.methods, 0.0)
    for _ in range(trials):
        data = it.draw(rng)
        for name, method in it.methods.items():
            found = method(data)
            covered[name] += it.truth in found
            width[name] += found.width / trials
    return [Measured(it.name, m, covered[m], trials, width[m]) for m in it.methods]


def false_alarms(trials: int) -> list[str]:
    """How often tests at 5 % say "different" of two equal variants: at most 5 %."""
    rng = np.random.default_rng([SEED, 1])
    single = family = 0
    for _ in range(trials):
        b = rng.binomial(200, 0.1, 16)
        c = rng.binomial(200 - b, 0.1 / 0.9)
        p = [st.mcnemar_exact(int(x), int(y)) for x, y in zip(b, c, strict=True)]
        single += p[0] < 0.05
        family += min(st.holm(p)) < 0.05
    lines = []
    for name, hits in (("McNemar, one language", single), ("McNemar and Holm, any of 16 languages", family)):
        own = st.wilson(hits / trials, trials)
        lines.append(f"| {name} | {100 * hits / trials:.1f} [{100 * own.low:.1f}, {100 * own.high:.1f}] |")
    return lines


def exact_wilson(n: int, p: float) -> float:
    """Wilson's coverage without simulation: the binomial mass of the counts whose interval holds p."""
    mass = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    return sum(m for k, m in enumerate(mass) if p in st.wilson(k / n, n))


def main(
    trials: Annotated[int, typer.Option(min=1, help="Data sets drawn for each row of the table.")] = 2000,
    only: Annotated[str, typer.Option(help="Only scenarios whose name holds this, e.g. p=.02.")] = "",
    whole_grid: Annotated[bool, typer.Option("--grid", help="clustered_rate alone, in 84 settings.")] = False,
) -> None:
    """Coverage of every 95 % interval the bench prints, as a Markdown table."""
    begun = time.perf_counter()
    chosen = [s.name for s in (grid() if whole_grid else scenarios()) if only in s.name]
    typer.echo(f"{trials} trials each, seed {SEED}. Coverage in percent with its own 95 % interval.\n")
    typer.echo("| data | method | coverage | mean width | in 93-97 |\n|---|---|---|---|---|")
    with ProcessPoolExecutor(2) as pool:
        for found in pool.map(measure, chosen, [trials] * len(chosen)):
            typer.echo("\n".join(m.line() for m in found))
    if not whole_grid:
        tests(trials)
    typer.echo(f"{time.perf_counter() - begun:.0f} s", err=True)


def tests(trials: int) -> None:
    typer.echo("\n| test of two equal variants at 5 % | false alarms, percent |\n|---|---|")
    typer.echo("\n".join(false_alarms(trials)))
    exact = {n: exact_wilson(n, 0.02) for n in range(100, 401)}
    inside = sum(0.93 <= c <= 0.97 for c in exact.values()) / len(exact)
    typer.echo(
        f"\nWilson at p = .02, exact: {100 * exact[200]:.1f} % at n = 200; n = 100 ... 400: "
        f"{100 * min(exact.values()):.1f} to {100 * max(exact.values()):.1f} %, {100 * inside:.0f} % of them in 93-97."
    )


if __name__ == "__main__":
    typer.run(main)
