"""Correct the proportion that a judge calls right for the judge's known mistakes (docs/judge.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.statistics import Estimate, Interval, clustered_rate, ppi
from eval.statistics.moments import Rows

LEAST_LABELS = 20  # a person's labels that PPI++ is made from; with fewer the exam is used


def correct_by_exam(judged: Rows, right: Rows, other: Rows) -> Estimate:
    """Correct the rate by the exam, after Rogan & Gladen (1978).

    (proportion called right + specificity - 1) / (sensitivity + specificity - 1), in [0, 1].

    Rows are (cluster, 1 where the judge says "right"): of the answers judged, of the exam's right answers and of its
    others. The interval recovers its variance from the three rates' own intervals (Zou & Donner 2008): each rate is
    moved to its ends, and the shifts of the value add up in squares. ValueError for a judge no better than chance.
    """
    rates = [mean_rate(rows) for rows in (judged, right, other)]
    means = [rate.value for rate in rates]
    if means[1] <= means[2]:
        raise ValueError(
            f"a judge that calls right {means[1]:.2f} of what is and {means[2]:.2f} of the rest has no information"
        )
    centre = _solve_rate(*means)
    shifts = []  # how far the value moves when one of the three rates is at either end of its interval
    for at, rate in enumerate(rates):
        ends = ([*means[:at], end, *means[at + 1 :]] for end in (rate.interval.low, rate.interval.high))
        shifts.append([_solve_rate(*moved) - centre for moved in ends])
    low = centre - math.hypot(*(min(0.0, *moved) for moved in shifts))
    high = centre + math.hypot(*(max(0.0, *moved) for moved in shifts))
    value, low, high = (min(1.0, max(0.0, v)) for v in (centre, low, high))
    return Estimate(value, Interval(low, high), len(judged))


def _solve_rate(judged: float, right: float, other: float) -> float:
    return (judged - other) / max(right - other, 1e-9)


def mean_rate(rows: Rows) -> Estimate:
    """Return the mean of (cluster, value in [0, 1]) with its cluster-robust interval."""
    values = [v for _, v in rows]
    return Estimate(sum(values) / len(values), clustered_rate(values, [c for c, _ in rows]), len(rows))


def correct_by_labels(truth: Rows, judged: Sequence[float], rest: Rows) -> Estimate:
    """Correct the rate by a person's labels (PPI++).

    `truth` and `judged` are of the same rows, `rest` are the grades of all others.

    The labelled rows must be a random sample of the judged ones. Without `rest` the labels alone count.
    """
    if not rest:
        return mean_rate(truth)
    values, clusters = [v for _, v in truth], [c for c, _ in truth]
    found = ppi(values, judged, [v for _, v in rest], clusters, [c for c, _ in rest])
    return Estimate(found.value, found.interval, len(truth) + len(rest))
