"""Figures that join several rates, and the price of answering more: risk against coverage."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.statistics import Interval, bootstrap, clustered_rate

ClusteredValue = tuple[str, float]  # cluster, value
Floats = NDArray[np.float64]
LEVELS = 100  # distinct confidences that the interval of an area tells apart


@dataclass(frozen=True, slots=True)
class Point:
    """Answering only the share `coverage` it is surest of, a generator is wrong in the share `risk` of them."""

    coverage: float
    risk: float


def risk_coverage(confidences: Sequence[float], wrong: Sequence[float]) -> list[Point]:
    """The curve (El-Yaniv & Wiener 2010), surest answers first, one point a distinct confidence.

    Rows of equal confidence cannot be put in order: they are taken in together.
    """
    order = np.argsort(-np.asarray(confidences, float), kind="stable")
    sure, errors = np.asarray(confidences, float)[order], np.asarray(wrong, float)[order]
    ends = [i for i in range(len(sure)) if i + 1 == len(sure) or sure[i + 1] != sure[i]]
    sums = np.cumsum(errors)
    return [Point((i + 1) / len(sure), float(sums[i] / (i + 1))) for i in ends]


def area(confidences: Sequence[float], wrong: Sequence[float]) -> float:
    """AURC: the mean risk over all coverages 1/n … 1 (Geifman et al. 2019), in [0, 1], lower is better.

    Equal confidences count as every order of them on average, so a constant confidence gives the error rate.
    """
    values = np.asarray(confidences, float)
    order = np.argsort(-values, kind="stable")
    _, group = np.unique(-values[order], return_inverse=True)
    errors = np.asarray(wrong, float)[order]
    level = (np.bincount(group, errors) / np.bincount(group))[group]  # the average order within ties
    return float((np.cumsum(level) / np.arange(1, len(level) + 1)).mean())


def area_interval(confidences: Sequence[ClusteredValue], wrong: Sequence[ClusteredValue], seed: int = 0) -> Interval:
    """The bootstrap interval of one area; see `macro_area_interval`."""
    return macro_area_interval([(confidences, wrong)], seed)


def macro_area_interval(
    languages: Sequence[tuple[Sequence[ClusteredValue], Sequence[ClusteredValue]]], seed: int = 0
) -> Interval:
    """Bootstrap of the mean of the languages' areas; whole clusters are drawn for all languages at once.

    Each language is its confidences and its wrong rows, aligned row by row. Above 100 distinct confidences, equal
    shares of the rows are taken as one: more would not move the ends.
    """
    parts: dict[Hashable, Sequence[ClusteredValue]] = {}
    ends: list[int] = []
    for place, (sure, wrong) in enumerate(languages):
        steps = _steps([v for _, v in sure])
        own: list[list[ClusteredValue]] = [[] for _ in range(int(steps.max()) + 1)]
        for row, step in zip(wrong, steps, strict=True):
            own[step].append(row)
        parts |= {(place, step): rows for step, rows in enumerate(own)}
        ends.append(len(parts))

    def areas(sums: Floats, counts: Floats) -> Floats:
        pieces = zip(np.split(sums, ends[:-1], axis=1), np.split(counts, ends[:-1], axis=1), strict=True)
        return np.asarray(np.mean([_areas(s, c) for s, c in pieces], axis=0))

    return _bootstrap(parts, areas, seed)


def _steps(confidences: Sequence[float]) -> NDArray[np.intp]:
    """0, 1, … by falling confidence, equal ones alike."""
    values = -np.asarray(confidences, float)
    distinct, found = np.unique(values, return_inverse=True)
    if len(distinct) <= LEVELS:
        return found
    edges = np.quantile(values, np.arange(1, LEVELS) / LEVELS)
    _, steps = np.unique(np.searchsorted(edges, values), return_inverse=True)
    return steps


def _areas(errors: Floats, counts: Floats) -> Floats:
    """The area by row, from wrong rows and rows at each step of falling confidence.

    Within a step with share of errors r, after C rows with E errors, prefix i has the risk
    (E + i r) / (C + i) = r + (E - r C) / (C + i): summed over i through the harmonic numbers.
    """
    rate = np.divide(errors, counts, out=np.zeros_like(errors), where=counts > 0)
    after = np.cumsum(counts, axis=1)
    before = after - counts
    failed = np.cumsum(errors, axis=1) - errors
    numbers = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(after[:, -1].max(initial=0)) + 1))])
    span = numbers[after.astype(int)] - numbers[before.astype(int)]
    total = (errors + (failed - rate * before) * span).sum(axis=1)
    area = np.divide(total, after[:, -1], out=np.full(len(total), np.nan), where=after[:, -1] > 0)
    return np.asarray(area)


def harmonic(a: Floats, b: Floats) -> Floats:
    """2ab / (a + b) by element, 0 where both are 0; nan where one is."""
    total = a + b
    return np.asarray(np.divide(2 * a * b, total, out=np.zeros_like(total), where=total != 0))


def joint_interval(
    parts: Mapping[Hashable, Sequence[ClusteredValue]],
    join: Callable[[Mapping[Hashable, Floats]], Floats],
    seed: int = 0,
) -> Interval:
    """Bootstrap of a number made of several means: whole clusters are drawn for all parts at once.

    `join` maps each part's resampled means, in [0, 1], to the joined numbers, and falls with none of them. Resamples in
    which a part has no row are left out. A part whose rows are all alike is alike in every resample: it stands at the
    lower end of its Wilson interval for the lower end of this one, at the upper for the upper (docs/statistics.md).
    """
    alike: dict[Hashable, Interval] = {}
    for part, rows in parts.items():
        if len({v for _, v in rows}) == 1:
            alike[part] = clustered_rate([v for _, v in rows], [c for c, _ in rows])

    def at(ends: Mapping[Hashable, float]) -> Interval:
        def join_sums(sums: Floats, counts: Floats) -> Floats:
            means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0).T
            shown = {part: np.where(np.isnan(m), m, ends.get(part, m)) for part, m in zip(parts, means, strict=True)}
            return join(shown)

        return _bootstrap(parts, join_sums, seed)

    low = at({part: found.low for part, found in alike.items()})
    high = at({part: found.high for part, found in alike.items()}) if alike else low
    return Interval(low.low, high.high)


def _bootstrap(
    parts: Mapping[Hashable, Sequence[ClusteredValue]], statistic: Callable[[Floats, Floats], Floats], seed: int
) -> Interval:
    """`bootstrap` of a statistic of the parts' sums and counts, each (resamples, parts)."""
    clusters = dict.fromkeys(c for rows in parts.values() for c, _ in rows)
    number = {cluster: i for i, cluster in enumerate(clusters)}
    sums, counts = [], []
    for rows in parts.values():
        index = np.array([number[c] for c, _ in rows], np.intp)
        sums.append(np.bincount(index, np.array([v for _, v in rows], float), len(number)))
        counts.append(np.bincount(index, minlength=len(number)).astype(float))
    width = len(parts)
    table = np.column_stack([*sums, *counts])
    return bootstrap(table, lambda t: statistic(t[:, :width], t[:, width:]), seed=seed)
