"""Mean and standard deviation of a question's cosines to all passages of an index, exact, without reading them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlrag.types import Halves, Vectors

BLOCK = 65_536  # vectors in float32 at once


def blocks(vectors: Halves) -> Iterator[Vectors]:
    """Yield the rows in float32, BLOCK at a time."""
    for start in range(0, len(vectors), BLOCK):
        yield np.ascontiguousarray(vectors[start : start + BLOCK], np.float32)


@dataclass(frozen=True, slots=True)
class CosineStats:
    """Number, sum (dim,) and sum of outer products (dim, dim) of vectors, in float64."""

    count: int
    total: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def from_vectors(cls, vectors: Halves) -> CosineStats:
        """Sum over (n, dim) vectors."""
        dim = vectors.shape[1]
        total, square = np.zeros(dim), np.zeros((dim, dim))
        for block in blocks(vectors):
            total += block.sum(0, dtype=np.float64)
            square += block.T @ block
        return cls(len(vectors), total, square)

    def plus(self, other: CosineStats, sign: int = 1) -> CosineStats:
        """Add the other's vectors; take them away where `sign` is -1. Statistics of no vectors have no dimensions."""
        if not other.count:
            return self
        if not self.count:
            return other
        return CosineStats(
            self.count + sign * other.count, self.total + sign * other.total, self.square + sign * other.square
        )


class CosineSpread:
    """From the passages' mean m and covariance C: q·m and sqrt(qᵀCq)."""

    def __init__(self, stats: CosineStats) -> None:
        count = max(1, stats.count)
        self._mean = stats.total / count
        self._covariance = stats.square / count - np.outer(self._mean, self._mean)

    def compute(self, query: Vectors) -> tuple[float, float]:
        """Return mean and standard deviation of a (dim,) query's cosines to every passage."""
        q = query.astype(np.float64).ravel()
        variance = float(q @ self._covariance @ q)
        return float(q @ self._mean), max(variance, 0.0) ** 0.5
