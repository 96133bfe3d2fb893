"""What benchmarks/coverage.py tries: data of a known truth, and the methods put to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from simulated import (
    LATENT,
    Floats,
    Rng,
    chrf_like,
    clustered,
    error_of_error,
    flat,
    graded,
    independent_languages,
    languages,
    naive,
    names,
    parallel,
    ten_bootstraps,
    yes_no,
)

from eval import statistics as st
from eval.statistics import Interval


@dataclass(frozen=True, slots=True)
class Scenario:
    """Data of a known truth, and the methods tried on it. One whose name ends in * we print nowhere for such data."""

    name: str
    truth: float
    draw: Callable[[Rng], Any]
    methods: dict[str, Callable[[Any], Interval]]


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
MEAN_NEAR_0 = {k if k == "clustered_rate" else f"{k} *": f for k, f in MEAN.items()}


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
    yield Scenario("token F1 .05, 40×5", 0.05, lambda r: graded(r, 0.92, 0.02, 40, 5), MEAN_NEAR_0)


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
        ((0.02, 0.02), 100, 1, 0.0),
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


def grid() -> list[Scenario]:
    """Rates in clusters, rare and not, few clusters and many, alike and not."""
    return [
        Scenario(
            f"grid p={p:g} {clusters}×{size} icc={icc:g}",
            p,
            lambda r, a=(p, icc, clusters, size): clustered(r, *a),
            {"clustered_rate": RATE["clustered_rate"]},
        )
        for p in (0.02, 0.05, 0.3)
        for clusters, size in ((10, 5), (25, 4), (40, 5), (60, 4), (100, 3), (150, 4), (60, 16))
        for icc in (0.001, 0.1, 0.3, 0.6)
    ]


def scenarios() -> list[Scenario]:
    return [*one_mean(), *tiers(), *corpora(), *pairs(), *judges()]
