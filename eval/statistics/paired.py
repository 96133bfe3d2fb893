"""Is one variant better than another on the same rows, and how many rows would it take to know?"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from eval.statistics.bootstrap import Statistic, bootstrap
from eval.statistics.interval import Interval
from eval.statistics.moments import MeanMoments, Rows, moments
from eval.statistics.student import student_quantile, student_tails


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the first variant is than the second, its 95 % interval and two-sided p; n paired rows."""

    value: float
    interval: Interval
    p: float
    n: int


def mcnemar_exact(b: int, c: int) -> float:
    """McNemar's exact two-sided p for b rows that only the first got right and c that only the second did.

    min(1, 2 P(X <= min(b, c))), X binomial(b + c, 1/2). 1 when they never differ. For independent rows.
    """
    if min(b, c) < 0:
        raise ValueError(f"counts of rows cannot be negative, got {b} and {c}")
    term, total = 1, 0
    for k in range(min(b, c) + 1):
        total += term
        term = term * (b + c - k) // (k + 1)
    return min(1.0, float(2 * total / 2 ** (b + c)) if b + c < 1000 else _ratio(2 * total, b + c))


def _ratio(total: int, power: int) -> float:
    """total / 2^power, where both are beyond a float."""
    shift = max(0, total.bit_length() - 64)
    return math.ldexp(total >> shift, shift - power)


def paired_difference(differences: Sequence[float], clusters: Sequence[Hashable]) -> Difference:
    """The mean of first minus second over rows, with the interval and p of `macro_difference`.

    No rows: nan throughout, p 1.
    """
    rows = list(zip(clusters, differences, strict=True))
    if not rows:
        return Difference(math.nan, Interval(math.nan, math.nan), 1.0, 0)
    return macro_difference({"": rows})


def macro_difference(by_language: Mapping[str, Rows]) -> Difference:
    """The mean over languages of first minus second, cluster-robust with t; items shared by languages stay together.

    Where every difference is -1, 0 or 1, half a row is added to either side (after Agresti & Min 2005 and Bonett &
    Price 2012) on the effective number of rows, so that few or no differing rows still give an interval. p is
    below 0.05 exactly where the interval leaves 0 out. ValueError if a language has no rows.
    """
    found = moments(by_language)
    binary = all(v in (-1, 0, 1) for rows in by_language.values() for _, v in rows)
    centre, variance = _with_half_rows(found) if binary else (found.mean, found.variance)
    n = sum(map(len, by_language.values()))
    if found.df <= 0:
        return Difference(found.mean, Interval(-math.inf, math.inf), 1.0, n)
    half = student_quantile(found.df) * math.sqrt(variance)
    p = student_tails(centre / math.sqrt(variance), found.df) if variance else float(centre == 0)
    low, high = centre - half, centre + half
    interval = Interval(max(low, -1.0), min(high, 1.0)) if binary else Interval(low, high)
    return Difference(found.mean, interval, p, n)


def _with_half_rows(m: MeanMoments) -> tuple[float, float]:
    n = m.rows / m.design
    centre = m.mean * n / (n + 1)
    return centre, ((m.square * n + 1) / (n + 1) - centre**2) / (n + 1)


def paired_bootstrap(
    first: ArrayLike, second: ArrayLike, statistic: Statistic, clusters: Sequence[Hashable], seed: int = 0
) -> Interval:
    """The interval of a corpus figure's difference, first minus second: both resampled by the same clusters.

    The tables are as for `bootstrap`: a row for each example, in the same order.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape:
        raise ValueError(f"paired tables must have the same shape, got {a.shape} and {b.shape}")
    columns = a.shape[1]
    return bootstrap(np.c_[a, b], lambda t: statistic(t[:, :columns]) - statistic(t[:, columns:]), clusters, seed=seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values, in the order given: reject below 0.05 and at most 5 % of families err."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def rank_groups(means: Mapping[str, float], interval: Callable[[str, str], Interval]) -> dict[str, int]:
    """Ranks 1, 2, ... from the highest mean down; names that cannot be told apart share one.

    The best name leads a rank. The next ones, in order of mean and then of name, share it while the paired `interval`
    of leader minus name contains 0; the first that does not leads the next rank.
    """
    ranks: dict[str, int] = {}
    leader, rank = "", 0
    for name in sorted(means, key=lambda k: (-means[k], k)):
        if not rank or 0 not in interval(leader, name):
            leader, rank = name, rank + 1
        ranks[name] = rank
    return ranks


def needed_n(delta: float, discordant: float) -> int:
    """Paired rows that show a gap of `delta` with 80 % power at two-sided 5 %, if `discordant` of the rows differ.

    n = (1.96 + 0.84)^2 (discordant - delta^2) / delta^2, rounded up (Connor 1987). Both in (0, 1], delta at most
    `discordant`, or ValueError.
    """
    if not 0 < delta <= discordant <= 1:
        raise ValueError(f"needs 0 < delta <= discordant <= 1, got delta {delta} and discordant {discordant}")
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    return math.ceil(z**2 * (discordant - delta**2) / delta**2)
