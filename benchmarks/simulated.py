"""Data of a known truth, for benchmarks/coverage.py, and other tools' recipes for an interval."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.statistics import Interval

Floats = NDArray[np.float64]
Rng = np.random.Generator
SEED = 0
LATENT = NormalDist()


def clustered(rng: Rng, p: float, icc: float, clusters: int, size: int) -> Floats:
    """Yes/no rows (clusters, size): a cluster's own rate is beta-distributed with mean p and this correlation."""
    own = rng.beta(p * (1 - icc) / icc, (1 - p) * (1 - icc) / icc, (clusters, 1))
    return (rng.random((clusters, size)) < own).astype(float)


def graded(rng: Rng, zero: float, one: float, clusters: int, size: int) -> Floats:
    """Values like token F1: exactly 0 or 1 with these probabilities, else beta(2, 2); 40 % copy their cluster's."""

    def values(shape: tuple[int, int]) -> Floats:
        u = rng.random(shape)
        return np.where(u < zero, 0.0, np.where(u > 1 - one, 1.0, rng.beta(2, 2, shape)))

    return np.where(rng.random((clusters, size)) < 0.4, values((clusters, 1)), values((clusters, size)))


def parallel(rng: Rng, rates: tuple[float, ...], items: int, shared: float) -> Floats:
    """Yes/no rows (languages, items) with these rates; `shared` in [0, 1]: how alike an item is in all."""
    limits = np.array([LATENT.inv_cdf(r) for r in rates])[:, None]
    own = rng.standard_normal((len(rates), items))
    return (math.sqrt(shared) * rng.standard_normal(items) + math.sqrt(1 - shared) * own < limits).astype(float)


def yes_no(rng: Rng, p: float, n: int) -> Floats:
    return (rng.random((n, 1)) < p).astype(float)


def chrf_like(rng: Rng, match: float, clusters: int, size: int) -> tuple[Floats, Floats]:
    """(matched, possible) n-grams a row: long and short rows, rows of a cluster alike."""
    possible = np.round(rng.lognormal(3, 0.7, (clusters, size))) + 1
    own = np.clip(match + 0.09 * rng.standard_normal((clusters, 1)), 0, 1)
    return rng.binomial(possible.astype(int), own).astype(float), possible


def names(rows: Floats) -> list[int]:
    return np.repeat(np.arange(len(rows)), rows.shape[1]).tolist()


def flat(rows: Floats) -> list[float]:
    return rows.ravel().tolist()


def languages(rows: Floats, shared: bool = True) -> dict[str, list[tuple[Any, float]]]:
    return {
        str(lang): [(item if shared else (lang, item), v) for item, v in enumerate(found)]
        for lang, found in enumerate(rows.tolist())
    }


# What other tools print, or what would be wrong.


def plus_minus(mean: float, error: float) -> Interval:
    return Interval(mean - 1.96 * error, mean + 1.96 * error)


def naive(rows: Floats) -> Interval:
    """The central limit theorem on rows as if independent."""
    return plus_minus(float(rows.mean()), float(rows.std(ddof=1)) / math.sqrt(rows.size))


def resampled(rows: Floats, times: int) -> Floats:
    values = rows.ravel()
    rng = np.random.default_rng(SEED + int(values.sum() * 1000))
    return np.asarray(values[rng.integers(0, values.size, (times, values.size))].mean(1), float)


def ten_bootstraps(rows: Floats) -> Interval:
    found = resampled(rows, 10)
    return plus_minus(float(found.mean()), float(found.std(ddof=1)) / math.sqrt(10))


def error_of_error(rows: Floats) -> Interval:
    found = resampled(rows, 1000)
    return plus_minus(float(rows.mean()), float(found.std(ddof=1)) / math.sqrt(1000))


def independent_languages(rows: Floats) -> Interval:
    """sqrt(sum of SE_l^2) / L, though items are shared."""
    error = math.sqrt(float((rows.var(1, ddof=1) / rows.shape[1]).sum())) / len(rows)
    return plus_minus(float(rows.mean()), error)
