"""The spread of a question's cosines over a whole index, exact, without touching its passages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlrag.index.local.segment import blocks
from mlrag.types import Halves, Vectors


@dataclass(frozen=True, slots=True)
class CosineStats:
    """Number, sum (dim,) and sum of outer products (dim, dim) of vectors, in float64."""

    count: int
    total: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Halves) -> CosineStats:
        dim = vectors.shape[1]
        total, square = np.zeros(dim), np.zeros((dim, dim))
        for block in blocks(vectors):
            total += block.sum(0, dtype=np.float64)
            square += block.T @ block
        return cls(len(vectors), total, square)

    def plus(self, other: CosineStats, sign: int = 1) -> CosineStats:
        """With the other's vectors too; without them where `sign` is -1. Nothing to count has no dimensions."""
        if not other.count:
            return self
        if not self.count:
            return other
        return CosineStats(
            self.count + sign * other.count, self.total + sign * other.total, self.square + sign * other.square
        )


class CosineSpread:
    """From the passages' mean m and covariance C: q·m and sqrt(qᵀCq)."""

    def __init__(self, moments: CosineStats) -> None:
        live = max(1, moments.count)
        self._mean = moments.total / live
        self._covariance = moments.square / live - np.outer(self._mean, self._mean)

    def of(self, query: Vectors) -> tuple[float, float]:
        """Mean and standard deviation of a (dim,) query's cosine to every passage."""
        q = query.astype(np.float64).ravel()
        variance = float(q @ self._covariance @ q)
        return float(q @ self._mean), max(variance, 0.0) ** 0.5
