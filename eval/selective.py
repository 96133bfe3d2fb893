"""Figures that join several rates, and the price of answering more: risk against coverage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.statistics import RESAMPLES, Interval

Row = tuple[str, float]  # cluster, value
Floats = NDArray[np.float64]


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


def area_interval(confidences: Sequence[Row], wrong: Sequence[Row], seed: int = 0) -> Interval:
    """Percentile bootstrap of the area over whole clusters; the two lists are aligned row by row."""
    clusters: dict[str, list[int]] = {}
    for place, (cluster, _) in enumerate(confidences):
        clusters.setdefault(cluster, []).append(place)
    groups = [np.array(places) for places in clusters.values()]
    sure, errors = np.array([v for _, v in confidences]), np.array([v for _, v in wrong])
    rng = np.random.default_rng(seed)
    areas = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        areas.append(area(sure[rows].tolist(), errors[rows].tolist()))
    low, high = np.quantile(areas, [0.025, 0.975])
    return Interval(float(low), float(high))


def harmonic(a: Floats, b: Floats) -> Floats:
    """2ab / (a + b) by element, 0 where both are 0."""
    total = a + b
    return np.asarray(np.divide(2 * a * b, total, out=np.zeros_like(total), where=total > 0))


def joined_interval(
    parts: Mapping[str, Sequence[Row]], join: Callable[[Mapping[str, Floats]], Floats], seed: int = 0
) -> Interval:
    """Percentile bootstrap of a number made of several means: whole clusters are drawn for all parts at once.

    `join` maps each part's resampled means to the joined numbers. Resamples in which a part has no row are left out.
    """
    names = {c: i for i, c in enumerate(dict.fromkeys(c for rows in parts.values() for c, _ in rows))}
    picks = np.random.default_rng(seed).integers(0, len(names), (RESAMPLES, len(names)))
    means: dict[str, Floats] = {}
    for part, rows in parts.items():
        labels = np.array([names[c] for c, _ in rows])
        sums = np.bincount(labels, np.array([v for _, v in rows]), len(names))[picks].sum(1)
        counts = np.bincount(labels, minlength=len(names))[picks].sum(1)
        means[part] = np.divide(sums, counts, out=np.full(RESAMPLES, np.nan), where=counts > 0)
    values = join(means)
    low, high = np.quantile(values[~np.isnan(values)], [0.025, 0.975])
    return Interval(float(low), float(high))
