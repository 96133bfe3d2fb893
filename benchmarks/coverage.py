"""python benchmarks/coverage.py [--trials 2000]: how often each 95 % interval holds the truth, on simulated data.

Every interval of eval/statistics, and beside it recipes in common use (marked *) that do not. Markdown on stdout.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from eval import statistics as st
from eval.statistics import Interval

Floats = NDArray[np.float64]
Rng = np.random.Generator
SEED = 0
LATENT = NormalDist()


@dataclass(frozen=True, slots=True)
class Scenario:
    """Data of a known truth, and the methods tried on it; a name ending in * is another tool's recipe."""

    name: str
    truth: float
    draw: Callable[[Rng], Any]
    methods: dict[str, Callable[[Any], Interval]]


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


def clustered(rng: Rng, p: float, icc: float, clusters: int, size: int) -> Floats:
    """Yes/no rows (clusters, size): a cluster's own rate is beta-distributed with mean p and this correlation."""
    own = rng.beta(p * (1 - icc) / icc, (1 - p) * (1 - icc) / icc, (clusters, 1))
    return (rng.random((clusters, size)) < own).astype(float)


def graded(rng: Rng, zero: float, one: float, clusters: int, size: int) -> Floats:
    """Values like token F1: exactly 0 or 1 with these probabilities, else beta(2, 2); 40 % copy their cluster's."""

    def values(shape: tuple[int, int]) -> Floats:
        u = rng.random(shape)
        return np.where(u < zero, 0.0, np.where(u > 1 - one, 1.0, rng.beta(2, 2, shape)))

    return np.where(rng.random((clusters, size)) < 0.4, values((clusters, 1)), values((clusters, size)))


def parallel(rng: Rng, rates: tuple[float, ...], items: int, shared: float) -> Floats:
    """Yes/no rows (languages, items) with these rates; `shared` in [0, 1]: how alike an item is in all."""
    limits = np.array([LATENT.inv_cdf(r) for r in rates])[:, None]
    own = rng.standard_normal((len(rates), items))
    return (math.sqrt(shared) * rng.standard_normal(items) + math.sqrt(1 - shared) * own < limits).astype(float)


def names(rows: Floats) -> list[int]:
    return np.repeat(np.arange(len(rows)), rows.shape[1]).tolist()


def flat(rows: Floats) -> list[float]:
    return rows.ravel().tolist()


def languages(rows: Floats, shared: bool = True) -> dict[str, list[tuple[Any, float]]]:
    return {
        str(lang): [(item if shared else (lang, item), v) for item, v in enumerate(found)]
        for lang, found in enumerate(rows.tolist())
    }


# Recipes of other tools (peers that print them: docs/statistics.md).


def plus_minus(mean: float, error: float) -> Interval:
    return Interval(mean - 1.96 * error, mean + 1.96 * error)


def naive(rows: Floats) -> Interval:
    """The central limit theorem on rows as if independent."""
    return plus_minus(float(rows.mean()), float(rows.std(ddof=1)) / math.sqrt(rows.size))


def resampled(rows: Floats, times: int) -> Floats:
    values = rows.ravel()
    rng = np.random.default_rng(SEED + int(values.sum() * 1000))
    return np.asarray(values[rng.integers(0, values.size, (times, values.size))].mean(1), float)


def ten_bootstraps(rows: Floats) -> Interval:
    found = resampled(rows, 10)
    return plus_minus(float(found.mean()), float(found.std(ddof=1)) / math.sqrt(10))


def error_of_error(rows: Floats) -> Interval:
    found = resampled(rows, 1000)
    return plus_minus(float(rows.mean()), float(found.std(ddof=1)) / math.sqrt(1000))


def independent_languages(rows: Floats) -> Interval:
    """sqrt(sum of SE_l^2) / L, though items are shared."""
    error = math.sqrt(float((rows.var(1, ddof=1) / rows.shape[1]).sum())) / len(rows)
    return plus_minus(float(rows.mean()), error)


# Our methods on arrays of (clusters, rows).


def ratio(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / sums[:, 1], float)


def with_ones(rows: Floats) -> Floats:
    return np.c_[rows.ravel(), np.ones(rows.size)]


def joint_bootstrap(rows: Floats) -> Interval:
    """Item ids resampled jointly: one row an item, one column a language."""
    return st.bootstrap(np.c_[rows.T, np.ones(rows.shape[1])], lambda t: t[:, :-1].mean(1) / t[:, -1])


RATE = {
    "clustered_rate": lambda rows: st.clustered_rate(flat(rows), names(rows)),
    "clustered_mean *": lambda rows: st.clustered_mean(flat(rows), names(rows)),
}
MEAN = {
    "clustered_rate": RATE["clustered_rate"],
    "clustered_mean": RATE["clustered_mean *"],
    "bootstrap, percentile": lambda rows: st.cluster_bootstrap(flat(rows), names(rows)),
    "bootstrap, BCa": lambda rows: st.bootstrap(with_ones(rows), ratio, names(rows), "bca"),
}


def one_mean() -> Iterator[Scenario]:
    """Rates and means of one language."""
    single = {"Wilson": lambda rows: st.wilson(float(rows.mean()), rows.size)}
    by_resampling = {"bootstrap, percentile": MEAN["bootstrap, percentile"], "bootstrap, BCa": MEAN["bootstrap, BCa"]}
    wrong = {"10 bootstraps, SD/√10 *": ten_bootstraps, "SD/√replicates *": error_of_error}
    yield Scenario("iid p=.7 n=200", 0.7, lambda r: yes_no(r, 0.7, 200), single | by_resampling | wrong)
    for n in (100, 200, 400):
        yield Scenario(f"iid p=.02 n={n}", 0.02, lambda r, n=n: yes_no(r, 0.02, n), single | {"naive normal *": naive})
    yield Scenario(
        "clustered p=.7 40×5", 0.7, lambda r: clustered(r, 0.7, 0.3, 40, 5), MEAN | {"naive normal *": naive}
    )
    for icc in (0.1, 0.3, 0.6):
        yield Scenario(f"clustered p=.02 40×5 icc={icc}", 0.02, lambda r, icc=icc: clustered(r, 0.02, icc, 40, 5), RATE)
    yield Scenario("clustered p=.02 100×3 icc=0.3", 0.02, lambda r: clustered(r, 0.02, 0.3, 100, 3), RATE)
    yield Scenario("clustered p=.02 150×4 icc=0.3", 0.02, lambda r: clustered(r, 0.02, 0.3, 150, 4), RATE)
    yield Scenario("token F1 .55, 40×5", 0.55, lambda r: graded(r, 0.3, 0.4, 40, 5), MEAN)
    yield Scenario("token F1 .05, 40×5", 0.05, lambda r: graded(r, 0.92, 0.02, 40, 5), MEAN_AT_THE_EDGE)


MEAN_AT_THE_EDGE = {k if k == "clustered_rate" else f"{k} *": f for k, f in MEAN.items()}


def yes_no(rng: Rng, p: float, n: int) -> Floats:
    return (rng.random((n, 1)) < p).astype(float)


def tiers() -> Iterator[Scenario]:
    """Macro means over languages."""
    joint = {"macro_rate": lambda rows: st.macro_rate(languages(rows)).interval}
    mean = {"macro_mean": lambda rows: st.macro_mean(languages(rows)).interval, "joint bootstrap": joint_bootstrap}
    wrong = {"as if independent *": independent_languages}
    rates = (0.9, 0.8, 0.7, 0.5)
    yield Scenario(
        "parallel, 4 languages, 100 items", 0.725, lambda r: parallel(r, rates, 100, 0.5), joint | mean | wrong
    )
    yield Scenario(
        "parallel p=.02, 4 languages, 100 items",
        0.02,
        lambda r: parallel(r, (0.02,) * 4, 100, 0.5),
        joint | {f"{k} *": f for k, f in mean.items()} | wrong,
    )
    apart = {
        "macro_rate": lambda rows: st.macro_rate(languages(rows, False)).interval,
        "macro_mean": lambda rows: st.macro_mean(languages(rows, False)).interval,
    }
    yield Scenario("independent, 4 languages, 60 items", 0.725, lambda r: parallel(r, rates, 60, 0.0), apart)


def chrf_like(rng: Rng, match: float, clusters: int, size: int) -> tuple[Floats, Floats]:
    """(matched, possible) n-grams a row: long and short rows, rows of a cluster alike."""
    possible = np.round(rng.lognormal(3, 0.7, (clusters, size))) + 1
    own = np.clip(match + 0.09 * rng.standard_normal((clusters, 1)), 0, 1)
    return rng.binomial(possible.astype(int), own).astype(float), possible


def corpora() -> Iterator[Scenario]:
    """Corpus figures: ratios of sums."""

    def interval(found: tuple[Floats, Floats], method: Any) -> Interval:
        matched, possible = found
        return st.bootstrap(np.c_[matched.ravel(), possible.ravel()], ratio, names(matched), method)

    yield Scenario(
        "corpus ratio .5, 60×3",
        0.5,
        lambda r: chrf_like(r, 0.5, 60, 3),
        {
            "bootstrap, percentile": lambda d: interval(d, "percentile"),
            "bootstrap, BCa": lambda d: interval(d, "bca"),
        },
    )


def pairs() -> Iterator[Scenario]:
    """Two variants on the same rows."""

    def draw(rng: Rng, p: tuple[float, float], clusters: int, size: int, icc: float) -> Floats:
        """First minus second, (clusters, size): both find the same rows and passages hard."""
        hard = math.sqrt(icc) * rng.standard_normal((clusters, 1))
        hard = hard + math.sqrt(0.4) * rng.standard_normal((clusters, size))
        left = math.sqrt(0.6 - icc)
        got = [hard + left * rng.standard_normal((clusters, size)) < LATENT.inv_cdf(q) for q in p]
        return got[0].astype(float) - got[1].astype(float)

    ours = {"paired_difference": lambda d: st.paired_difference(flat(d), names(d)).interval}
    for p, clusters, size, icc in (
        ((0.7, 0.6), 200, 1, 0.0),
        ((0.7, 0.7), 40, 5, 0.3),
        ((0.05, 0.02), 200, 1, 0.0),
        ((0.05, 0.02), 100, 3, 0.3),
    ):
        yield Scenario(
            f"paired {p[0]:g} / {p[1]:g}, {clusters}×{size}",
            p[0] - p[1],
            lambda r, a=(p, clusters, size, icc): draw(r, *a),
            ours,
        )

    def two_tiers(rng: Rng) -> Floats:
        return parallel(rng, (0.9, 0.8, 0.7, 0.5), 100, 0.5) - parallel(rng, (0.85, 0.7, 0.65, 0.4), 100, 0.5)

    yield Scenario(
        "paired, parallel, 4 languages, 100 items",
        0.075,
        two_tiers,
        {"macro_difference": lambda d: st.macro_difference(languages(d)).interval},
    )

    def two_corpora(rng: Rng) -> tuple[Floats, Floats, Floats]:
        first, possible = chrf_like(rng, 0.55, 60, 3)
        return first, rng.binomial(possible.astype(int), 0.5).astype(float), possible

    def corpus_gap(found: tuple[Floats, Floats, Floats]) -> Interval:
        first, second, possible = (v.ravel() for v in found)
        return st.paired_bootstrap(np.c_[first, possible], np.c_[second, possible], ratio, names(found[0]))

    yield Scenario("paired corpus ratios, 60×3", 0.05, two_corpora, {"paired_bootstrap": corpus_gap})


def judges() -> Iterator[Scenario]:
    """100 labels and 1,000 more verdicts of a judge with faults."""

    def draw(rng: Rng, p: float, sensitivity: float, specificity: float, icc: float) -> tuple[Floats, Floats]:
        rows = clustered(rng, p, icc, 220, 5) if icc else (rng.random((220, 5)) < p).astype(float)
        said = np.where(rows > 0, rng.random(rows.shape) < sensitivity, rng.random(rows.shape) > specificity)
        return rows, said.astype(float)

    def corrected(found: tuple[Floats, Floats], labelled: int = 20, aware: bool = False) -> Interval:
        rows, said = found
        where = (names(rows)[: 5 * labelled], names(rows)[5 * labelled :]) if aware else ()
        return st.ppi(flat(rows[:labelled]), flat(said[:labelled]), flat(said[labelled:]), *where).interval

    wrong = {"judge alone *": lambda d: naive(d[1])}
    for p, sensitivity, specificity in (
        (0.3, 0.9, 0.9),
        (0.3, 0.7, 0.9),
        (0.3, 0.6, 0.75),
        (0.05, 0.6, 0.75),
        (0.02, 0.6, 0.75),
    ):
        yield Scenario(
            f"judge {sensitivity:g}/{specificity:g}, truth {p:g}",
            p,
            lambda r, a=(p, sensitivity, specificity, 0.0): draw(r, *a),
            {"ppi": corrected} | wrong,
        )
    yield Scenario(
        "judge 0.6/0.75, truth 0.3, 40×5 labels",
        0.3,
        lambda r: draw(r, 0.3, 0.6, 0.75, 0.3),
        {"ppi": lambda d: corrected(d, 40, True), "ppi without clusters *": lambda d: corrected(d, 40)},
    )


def scenarios() -> list[Scenario]:
    return [*one_mean(), *tiers(), *corpora(), *pairs(), *judges()]


def measure(index: int, trials: int) -> list[Measured]:
    """Draw the scenario `trials` times, the same whichever process asks, and try its methods on each."""
    it = scenarios()[index]
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
) -> None:
    """Coverage of every 95 % interval the bench prints, as a Markdown table."""
    begun = time.perf_counter()
    chosen = [i for i, s in enumerate(scenarios()) if only in s.name]
    typer.echo(f"{trials} trials each, seed {SEED}. Coverage in percent with its own 95 % interval.\n")
    typer.echo("| data | method | coverage | mean width | in 93-97 |\n|---|---|---|---|---|")
    with ProcessPoolExecutor(2) as pool:
        for found in pool.map(measure, chosen, [trials] * len(chosen)):
            typer.echo("\n".join(m.line() for m in found))
    typer.echo("\n| test of two equal variants at 5 % | false alarms, percent |\n|---|---|")
    typer.echo("\n".join(false_alarms(trials)))
    exact = {n: exact_wilson(n, 0.02) for n in range(100, 401)}
    inside = sum(0.93 <= c <= 0.97 for c in exact.values()) / len(exact)
    typer.echo(
        f"\nWilson at p = .02, exact: n = 200: {100 * exact[200]:.1f} %; n = 100 ... 400: {100 * min(exact.values()):.1f}"
        f" to {100 * max(exact.values()):.1f} %, {100 * inside:.0f} % of these n in 93-97."
    )
    typer.echo(f"{time.perf_counter() - begun:.0f} s", err=True)


if __name__ == "__main__":
    typer.run(main)
