"""Intervals for means of values without bounds: cluster-robust, with Student's t."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

from eval.statistics.interval import Estimate, Interval
from eval.statistics.moments import MeanMoments, Rows, moments
from eval.statistics.student import student_quantile


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """Mean +- t(C - 1) * SE, SE = sqrt(C / (C - 1) * sum over clusters of (sum of v - mean)^2) / n (Miller 2024).

    For values without bounds, such as seconds or differences; `clustered_rate` is nearer 95 % for values in [0, 1].
    One cluster: (-inf, inf). No values: (nan, nan).
    """
    rows = list(zip(clusters, values, strict=True))
    return _interval(moments({"": rows})) if rows else Interval(math.nan, math.nan)


def macro_mean(by_language: Mapping[str, Rows]) -> Estimate:
    """The mean of the languages' means, with t on the joint cluster-robust error; see `moments` for shared items."""
    found = moments(by_language)
    return Estimate(found.mean, _interval(found), sum(map(len, by_language.values())))


def _interval(m: MeanMoments) -> Interval:
    if m.df <= 0:
        return Interval(-math.inf, math.inf)
    half = student_quantile(m.df) * math.sqrt(m.variance)
    return Interval(m.mean - half, m.mean + half)
