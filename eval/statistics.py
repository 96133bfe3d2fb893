"""Intervals that cover. Sources and simulations: see DECISIONS.md and tests/eval/test_statistics.py."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

_Z = 1.959963984540054  # the 97.5 % point of the normal distribution
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval, both ends included."""

    low: float
    high: float


def wilson(rate: float, n: float) -> Interval:
    """Wilson's score interval (1927) for a rate of n independent yes/no rows; [0, 1] when n is 0."""
    if n == 0:
        return Interval(0.0, 1.0)
    centre = (rate + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(rate * (1 - rate) / n + _Z**2 / (4 * n**2))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def cluster_bootstrap(values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean over whole clusters, 2,000 seeded resamples.

    Rows of one cluster (one document, one parallel item) stay together, so their dependence is kept.
    No values: (nan, nan).
    """
    if not values:
        return Interval(math.nan, math.nan)
    names = {c: i for i, c in enumerate(dict.fromkeys(clusters))}
    labels = np.array([names[c] for c in clusters])
    sums = np.bincount(labels, np.asarray(values, float))
    counts = np.bincount(labels)
    picks = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high))


def clustered_rate(values: Sequence[bool], clusters: Sequence[Hashable]) -> Interval:
    """An interval for a yes/no rate whose rows come in clusters: Wilson on the effective sample size.

    n_eff = n / deff, deff = clustered variance / binomial variance, at least 1 (Kish 1965). With 0 or n
    successes the clustered variance is no guide, and the number of clusters stands for n.
    """
    n = len(values)
    if n == 0:
        return Interval(0.0, 1.0)
    k, groups = sum(values), len(set(clusters))
    if k in (0, n) or groups < 2:
        return wilson(k / n, min(n, groups))
    p = k / n
    names = {c: i for i, c in enumerate(dict.fromkeys(clusters))}
    labels = np.array([names[c] for c in clusters])
    residuals = np.bincount(labels, np.asarray(values, float) - p)
    variance = groups / (groups - 1) * float((residuals**2).sum()) / n**2
    design = max(1.0, variance / (p * (1 - p) / n))
    return wilson(p, n / design)
