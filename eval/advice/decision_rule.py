"""The rule: the cheapest candidate that is not worse than the best by the margin, or "cannot tell". Pure numpy.

A candidate's loss is max over the others of (their mean − its own). "Its loss is below the margin" is claimed where,
for every other one, the one-sided cluster-robust test of their paired difference rejects "at least the margin"; since
all of them must reject, no correction is due within a candidate. Over the k candidates Holm's steps are
k − 1, k − 1, k − 2, … 1: the true best loses nothing, so at most k − 1 of the claims can be wrong (Shaffer 1986).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from eval.statistics import wilson
from eval.statistics.student import student_quantile, student_tails

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
ALPHA = 0.05  # upper bound of the rate of wrong choices
POWER = 0.8  # of the n that is said to be needed
_PRIOR_CLUSTERS, _LEAST_DESIGN = 0.2, 0.5  # as in eval/statistics/moments.py


@dataclass(frozen=True, slots=True)
class Table:
    """Scores of candidates on the same rows, in [0, 1].

    `values` is (candidates, rows). A row is of a stratum (a language and kind of question), whose `weights` sum to 1,
    and of a cluster of rows that depend on each other; a cluster may reach over strata.
    """

    names: tuple[str, ...]
    values: Floats
    stratum: Indices
    cluster: Indices
    weights: Floats


@dataclass(frozen=True, slots=True)
class Losses:
    """`means` by candidate; `gap[c, j]` is mean j − mean c, drawn towards 0 by half a row on either side, with its
    `variance`; `df` degrees of freedom."""

    means: Floats
    gap: Floats
    variance: Floats
    df: int


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate compared with its strongest rival.

    Args:
        behind: mean of the rival minus its own (negative: ahead), with the two-sided 95 % interval low, high.
        p: adjusted, of "its loss is at least the margin".
    """

    name: str
    mean: float
    behind: float
    low: float
    high: float
    p: float
    rival: str

    @property
    def within(self) -> bool:
        return self.p <= ALPHA


@dataclass(frozen=True, slots=True)
class Ruling:
    """The result of the rule. `chosen` is None where it cannot decide; `more`: rows by stratum that would."""

    chosen: str | None
    ranking: tuple[RankedCandidate, ...]
    more: Mapping[int, int]
    pair: tuple[str, str] | None

    @property
    def leader(self) -> str:
        """The candidate with the highest mean."""
        return max(self.ranking, key=lambda s: s.mean).name


def compute_losses(table: Table) -> Losses:
    """All paired differences at once, by the formulas of `eval.statistics.macro_difference` with weighted strata."""
    strata, groups = len(table.weights), int(table.cluster.max()) + 1
    sizes = np.bincount(table.stratum, minlength=strata)
    share = table.weights[table.stratum] / sizes[table.stratum]
    means = np.stack([np.bincount(table.stratum, v, strata) for v in table.values]) / sizes
    residual = (table.values - means[:, table.stratum]) * share
    sums = np.stack([np.bincount(table.cluster, r, groups).astype(float) for r in residual])
    shared = len(np.unique(table.cluster * strata + table.stratum)) > groups
    df = groups - (1 if shared else strata)
    gap = (means @ table.weights)[None, :] - (means @ table.weights)[:, None]
    robust = _squares(sums) * groups / max(df, 1)
    loose = _squares(residual)
    rows = 1 / float(share @ share)
    n = rows / _design(table, robust, loose, rows, share, groups)
    spread = (loose * rows * n + gap**2 * n / (n + 1) + 1) / (n + 1) ** 2
    return Losses(means @ table.weights, gap * n / (n + 1), spread, df)


def _squares(rows: Floats) -> Floats:
    """Σ (a − b)² for every pair of rows."""
    gram = rows @ rows.T
    norms = np.diag(gram)
    return np.asarray(np.maximum(norms[:, None] + norms[None, :] - 2 * gram, 0.0))


def _design(table: Table, robust: Floats, loose: Floats, rows: float, share: Floats, groups: int) -> Floats:
    """Kish's design effect of each difference, drawn towards its worst where few clusters differ (`Moments.design`)."""
    worst = rows * float((np.bincount(table.cluster, share, groups) ** 2).sum())
    found = np.maximum(_LEAST_DESIGN, robust / np.where(loose * rows < 1e-12, np.inf, loose))
    speaking = np.array([[_differing(table, a, b, groups) for b in range(len(loose))] for a in range(len(loose))])
    return np.asarray((found * speaking + worst * _PRIOR_CLUSTERS) / (speaking + _PRIOR_CLUSTERS))


def _differing(table: Table, a: int, b: int, groups: int) -> int:
    """Clusters in which two candidates ever differ."""
    if a >= b:
        return 0 if a == b else _differing(table, b, a, groups)
    apart = table.values[a] != table.values[b]
    return int(np.count_nonzero(np.bincount(table.cluster, apart, groups)))


def decide(table: Table, cost: Sequence[float], margin: float) -> Ruling:
    """Choose the cheapest candidate within `margin` (in (0, 1]) of the best. ValueError for fewer than two."""
    if len(table.names) < 2 or not 0 < margin <= 1:
        raise ValueError(f"the rule compares two or more at a margin in (0, 1], got {table.names} and {margin}")
    found = compute_losses(table)
    ranking = _rank(table.names, found, margin)
    within = [i for i, s in enumerate(ranking) if s.within]
    if within:
        chosen = min(within, key=lambda i: (cost[i], -ranking[i].mean))
        return Ruling(table.names[chosen], ranking, {}, None)
    pair, target = _needed_error(found, margin)
    more = _more(table, pair, target, float(found.variance[pair]))
    return Ruling(None, ranking, more, (table.names[pair[0]], table.names[pair[1]]))


def _rank(names: Sequence[str], found: Losses, margin: float) -> tuple[RankedCandidate, ...]:
    error = np.sqrt(found.variance)
    steps = (margin - found.gap) / error
    np.fill_diagonal(steps, np.inf)
    rivals = steps.argmin(1)
    adjusted = _holm_with_a_best([_above(float(steps[c, r]), found.df) for c, r in enumerate(rivals)])
    half = student_quantile(found.df)
    ranking = []
    for c, r in enumerate(rivals):
        gap, wide = float(found.gap[c, r]), half * float(error[c, r])
        ranking.append(
            RankedCandidate(names[c], float(found.means[c]), gap, gap - wide, gap + wide, adjusted[c], names[r])
        )
    return tuple(ranking)


def _above(t: float, df: int) -> float:
    """P(T > t) for Student's t; 1 where there is nothing to go by."""
    if df <= 0:
        return 1.0
    tail = student_tails(t, df) / 2
    return tail if t > 0 else 1 - tail


def _holm_with_a_best(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values for claims of which one at least is true."""
    k, adjusted, largest = len(p), [0.0] * len(p), 0.0
    for done, index in enumerate(sorted(range(k), key=lambda i: p[i])):
        largest = max(largest, min(1.0, min(k - 1, k - done) * p[index]))
        adjusted[index] = largest
    return adjusted


def _needed_error(found: Losses, margin: float) -> tuple[tuple[int, int], float]:
    """Return the weakest pair of the claim nearest to rejection, and the standard error that would reject it."""
    k = len(found.means)
    z = NormalDist().inv_cdf(1 - ALPHA / (k - 1)) + NormalDist().inv_cdf(POWER)
    room = np.where(found.gap < margin, margin - found.gap, np.nan) / z
    ratio = np.where(np.isnan(room), np.inf, found.variance / room**2)
    np.fill_diagonal(ratio, 0.0)
    claim = int(ratio.max(1).argmin())
    rival = int(ratio[claim].argmax())
    return (claim, rival), float(room[claim, rival])


def _more(table: Table, pair: tuple[int, int], target: float, now: float) -> dict[int, int]:
    """More rows by stratum for a standard error of `target`, where they tell most: n ∝ weight × deviation (Neyman).

    Deviations are those seen, at least that of one row in the stratum that differs, times the design effect. As many
    again where that asks for none (one cluster tells nothing of its own spread).
    """
    strata = len(table.weights)
    sizes = np.bincount(table.stratum, minlength=strata)
    apart = table.values[pair[0]] - table.values[pair[1]]
    mean = np.bincount(table.stratum, apart, strata) / sizes
    square = np.bincount(table.stratum, apart**2, strata) / sizes
    each = np.maximum(square - mean**2, 1 / (sizes + 1))
    each *= max(1.0, now / float((table.weights**2 * each / sizes).sum()))
    reach = table.weights * np.sqrt(each)
    wanted, kept = sizes.astype(float), np.zeros(strata, bool)
    for _ in range(strata):
        left = target**2 - float((reach[kept] ** 2 / sizes[kept]).sum())
        open_ = ~kept
        if left <= 0 or not open_.any():
            break
        wanted[open_] = reach[open_] * reach[open_].sum() / left
        short = open_ & (wanted < sizes)
        wanted[short] = sizes[short]
        if not short.any():
            break
        kept |= short
    more = {s: math.ceil(wanted[s] - sizes[s]) for s in range(strata) if wanted[s] > sizes[s]}
    return more or dict(enumerate(sizes.tolist()))


def compute_mean(table: Table, candidate: int) -> tuple[float, float, float]:
    """Return one candidate's weighted mean and its 95 % interval: Wilson's on the effective number of rows."""
    strata, groups = len(table.weights), int(table.cluster.max()) + 1
    sizes = np.bincount(table.stratum, minlength=strata)
    share, v = table.weights[table.stratum] / sizes[table.stratum], table.values[candidate]
    means = np.bincount(table.stratum, v, strata) / sizes
    moved = np.bincount(table.cluster, (v - means[table.stratum]) * share, groups)
    mean, variance = float(means @ table.weights), float(moved @ moved) * groups / max(1, groups - 1)
    alike = 1 / float((np.bincount(table.cluster, share, groups) ** 2).sum())
    found = wilson(mean, mean * (1 - mean) / variance if variance > 1e-12 else alike)
    return mean, found.low, found.high
