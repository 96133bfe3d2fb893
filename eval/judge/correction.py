"""The share that is right, from a judge's verdicts and what is known of its mistakes (docs/judge.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.statistics import Estimate, Interval, clustered_rate, ppi
from eval.statistics.moments import Rows

LEAST_LABELS = 20  # a person's labels that PPI++ is made from; with fewer the exam is used


def correct_by_exam(judged: Rows, right: Rows, other: Rows) -> Estimate:
    """Rogan & Gladen (1978): (share called right + specificity - 1) / (sensitivity + specificity - 1), in [0, 1].

    Rows are (cluster, 1 where the judge says "right"): of the answers judged, of the exam's right answers and of its
    others. The interval recovers its variance from the three rates' own intervals (Zou & Donner 2008): each rate is
    moved to its ends, and the shifts of the value add up in squares. ValueError for a judge no better than chance.
    """
    rates = [_rate(rows) for rows in (judged, right, other)]
    means = [rate.value for rate in rates]
    if means[1] <= means[2]:
        raise ValueError(
            f"a judge that calls right {means[1]:.2f} of what is and {means[2]:.2f} of the rest tells nothing"
        )
    centre = _share(*means)
    shifts = [_shifts(means, at, rate.interval) for at, rate in enumerate(rates)]
    low = centre - math.hypot(*(min(0.0, *moved) for moved in shifts))
    high = centre + math.hypot(*(max(0.0, *moved) for moved in shifts))
    value, low, high = (min(1.0, max(0.0, v)) for v in (centre, low, high))
    return Estimate(value, Interval(low, high), len(judged))


def _share(judged: float, right: float, other: float) -> float:
    return (judged - other) / max(right - other, 1e-9)


def _shifts(means: Sequence[float], at: int, interval: Interval) -> list[float]:
    """How far the value moves when one of the three rates is at either end of its interval."""
    ends = ([*means[:at], end, *means[at + 1 :]] for end in (interval.low, interval.high))
    return [_share(*moved) - _share(*means) for moved in ends]


def _rate(rows: Rows) -> Estimate:
    values = [v for _, v in rows]
    return Estimate(sum(values) / len(values), clustered_rate(values, [c for c, _ in rows]), len(rows))


def correct_by_labels(truth: Rows, judged: Sequence[float], rest: Rows) -> Estimate:
    """PPI++ from a person's labels: `truth` and `judged` speak of the same rows, `rest` of all others' verdicts.

    The labelled rows have to be drawn at random from the judged ones. Where nothing is left to predict, the labels
    speak alone.
    """
    values, clusters = [v for _, v in truth], [c for c, _ in truth]
    if not rest:
        return Estimate(sum(values) / len(values), clustered_rate(values, clusters), len(values))
    found = ppi(values, judged, [v for _, v in rest], clusters, [c for c, _ in rest])
    return Estimate(found.value, found.interval, len(truth) + len(rest))
