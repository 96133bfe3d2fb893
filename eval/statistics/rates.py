"""Intervals for rates and other means of values in [0, 1]: Wilson's, on the rows' effective number."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from statistics import NormalDist

from eval.statistics.interval import Estimate, Interval
from eval.statistics.moments import MeanMoments, Rows, moments

Z = NormalDist().inv_cdf(0.975)


def wilson(rate: float, n: float, quantile: float = Z) -> Interval:
    """Wilson's score interval (1927) for a rate of n independent yes/no rows; [0, 1] when n is 0."""
    if n == 0 or math.isinf(quantile):
        return Interval(0.0, 1.0)
    square = quantile**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = quantile / (1 + square / n) * math.sqrt(rate * (1 - rate) / n + square / (4 * n**2))
    return Interval(min(rate, max(0.0, centre - half)), max(rate, min(1.0, centre + half)))


def rule_of_three(n: float) -> float:
    """The most that a rate seen 0 times in n independent rows may be, at one-sided 95 %: 3 / n, at most 1."""
    return min(1.0, 3 / n) if n else 1.0


def clustered_rate(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """The interval of a mean of values in [0, 1], yes/no or between, whose rows come in clusters.

    Wilson's on the effective sample size m (1 - m) / (cluster-robust variance), where few clusters draw that variance
    towards its worst (`Moments.design`). Where all values are alike, the clusters stand for the rows. [0, 1] for no
    rows.
    """
    rows = list(zip(clusters, values, strict=True))
    return _interval(moments({"": rows})) if rows else Interval(0.0, 1.0)


def macro_rate(by_language: Mapping[str, Rows]) -> Estimate:
    """The mean of the languages' means of values in [0, 1], and its interval, as for `clustered_rate`.

    An item asked in several languages carries the same cluster in each, and counts as one cluster. ValueError if a
    language has no rows.
    """
    found = moments(by_language)
    return Estimate(found.mean, _interval(found), sum(map(len, by_language.values())))


def _interval(m: MeanMoments) -> Interval:
    if m.alike:
        return wilson(m.mean, m.clusters)
    return wilson(m.mean, m.mean * (1 - m.mean) / (m.independent * m.design))
