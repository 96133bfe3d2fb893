"""Bootstrap intervals, for figures that are no mean of rows: corpus chrF, ratios, differences of such."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.statistics.interval import Interval
from eval.statistics.moments import Floats, labels
from eval.statistics.student import student_quantile

RESAMPLES = 2000
MOST_GROUPS = 500  # more clusters than these are dealt into as many random groups: 10,000 rows in under 0.1 s
Statistic = Callable[[Floats], Floats]
_NORMAL = NormalDist()


def bootstrap(
    table: ArrayLike,
    statistic: Statistic,
    clusters: Sequence[Hashable] | None = None,
    method: Literal["percentile", "bca"] = "percentile",
    seed: int = 0,
) -> Interval:
    """The interval of a figure computed from column sums: 2,000 seeded resamples of whole clusters.

    `table` has a row for each example and the columns that the figure needs summed; `statistic` maps an array of such
    sums (m, columns) to m figures. A resample is a row of multinomial counts, so all are one product of matrices.
    Ends are quantiles of the figures, at levels widened for few clusters (Hesterberg 2015, section 5.3); "bca" also
    corrects bias and skew (Efron 1987), by leaving out each cluster in turn. Above 500 clusters random groups of them
    are resampled (Wolter 2007, chapter 2). Resamples without a figure (nan) are left out. Fewer than two clusters, or
    no figure at all: (nan, nan).
    """
    groups = _sum_by_group(np.asarray(table, float), clusters, seed)
    if len(groups) < 2:
        return Interval(math.nan, math.nan)
    figures = replicates(groups, statistic, seed)
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return Interval(math.nan, math.nan)
    shifts = _bias_and_skew(groups, statistic, figures) if method == "bca" else (0.0, 0.0)
    low, high = np.quantile(figures, _levels(len(groups), *shifts))
    return Interval(float(low), float(high))


def cluster_bootstrap(values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0) -> Interval:
    """The percentile bootstrap of a mean over whole clusters; see `bootstrap`. No values: (nan, nan)."""
    return bootstrap(np.c_[values, np.ones(len(values))], lambda t: t[:, 0] / t[:, 1], clusters, seed=seed)


def replicates(groups: Floats, statistic: Statistic, seed: int) -> Floats:
    """The figure in each of 2,000 resamples of the rows of `groups`."""
    return statistic(_counts(len(groups), seed) @ groups)


@lru_cache(maxsize=4)
def _counts(n: int, seed: int) -> Floats:
    """How often each resample draws each of n rows, (2,000, n): at most 8 MB, the same for every figure of as many."""
    picks = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    picks += np.arange(RESAMPLES)[:, None] * n
    return np.bincount(picks.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n).astype(float)


def _sum_by_group(table: Floats, clusters: Sequence[Hashable] | None, seed: int) -> Floats:
    """Column sums by cluster, or by random group of clusters where there are many."""
    found = np.arange(len(table)) if clusters is None else labels(clusters)
    count = int(found.max(initial=-1)) + 1
    if count > MOST_GROUPS:
        dealt: NDArray[np.intp] = np.random.default_rng(seed).permutation(count) % MOST_GROUPS
        found, count = dealt[found], MOST_GROUPS
    sums = np.zeros((count, table.shape[1]))
    np.add.at(sums, found, table)
    return sums


def _levels(groups: int, bias: float, skew: float) -> list[float]:
    wide = math.sqrt(groups / (groups - 1)) * student_quantile(groups - 1)
    return [_NORMAL.cdf(bias + (bias + z) / max(1e-9, 1 - skew * (bias + z))) for z in (-wide, wide)]


def _bias_and_skew(groups: Floats, statistic: Statistic, figures: Floats) -> tuple[float, float]:
    total = groups.sum(0)
    found = statistic(total[None])[0]
    below = float(np.mean(figures < found) + np.mean(figures == found) / 2)
    left_out = statistic(total - groups)
    gap = left_out.mean() - left_out
    spread = float((gap**2).sum()) ** 1.5
    inside = min(max(below, 1 / RESAMPLES), 1 - 1 / RESAMPLES)
    return _NORMAL.inv_cdf(inside), float((gap**3).sum()) / (6 * spread) if spread else 0.0
