"""The dense leg: the nearest passages, exact cosines, and the spread of a question's cosines over the whole index.

Vectors lie in segments, files that never change and that generations share by hard links. A new generation adds one
segment for what is new, merged with those before it that are not much larger, so that there are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from mlrag.index.segment import Queries, Rung, Segment, blocks, segments, share, write
from mlrag.records import Halves, Vectors

_MOMENTS = "moments.npz"


@dataclass(frozen=True, slots=True)
class Moments:
    """Number, sum (dim,) and sum of outer products (dim, dim) of vectors, in float64."""

    count: int
    total: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Halves) -> Moments:
        dim = vectors.shape[1]
        total, square = np.zeros(dim), np.zeros((dim, dim))
        for block in blocks(vectors):
            total += block.sum(0, dtype=np.float64)
            square += block.T @ block
        return cls(len(vectors), total, square)

    def plus(self, other: Moments, sign: int = 1) -> Moments:
        """With the other's vectors too; without them where `sign` is -1. Nothing to count has no dimensions."""
        if not other.count:
            return self
        if not self.count:
            return other
        return Moments(
            self.count + sign * other.count, self.total + sign * other.total, self.square + sign * other.square
        )


class DenseIndex:
    """Positions 0 … n-1 are those of the rows it was built from; the places in `gone` are never found."""

    def __init__(self, folder: Path, gone: NDArray[np.int64]) -> None:
        self._folder = folder
        self._gone = gone
        self._segments = segments(folder)
        with np.load(folder / _MOMENTS) as stored:
            self._moments = Moments(int(stored["count"]), stored["total"], stored["square"])
        live = max(1, self._moments.count)
        self._mean = self._moments.total / live
        self._covariance = self._moments.square / live - np.outer(self._mean, self._mean)

    @staticmethod
    def build(vectors: Halves, folder: Path, queries: Queries) -> None:
        """Write an index over (n, dim) float16 rows of length 1; n may be 0. Recall is measured with `queries`."""
        if len(vectors):
            write(folder, 0, [vectors], queries)
        _save(Moments.of(vectors), folder)

    def extend(self, added: Halves, gone: NDArray[np.int64], folder: Path, queries: Queries) -> None:
        """Write the index with rows added at its end, and without those at `gone`."""
        kept, last = list(self._segments), [added] if len(added) else []
        while last and kept and len(kept[-1]) <= 2 * sum(map(len, last)):
            last.insert(0, kept.pop().vectors)
        for segment in kept:
            share(self._folder, segment.first, folder)
        if last:
            write(folder, sum(map(len, kept)), last, queries)
        moments = self._moments.plus(Moments.of(added)) if len(added) else self._moments
        _save(moments.plus(Moments.of(self._vectors(gone)), -1) if len(gone) else moments, folder)

    def __len__(self) -> int:
        return self._moments.count

    @property
    def rungs(self) -> list[Rung]:
        """How its segments are searched, the oldest first."""
        return [segment.rung for segment in self._segments]

    def search(self, query: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions and their cosines, best first."""
        faiss.omp_set_num_threads(1)  # two threads a query are a disaster on busy cores
        if not self._segments:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found = [segment.search(_row(query), k + self._gone_in(segment)) for segment in self._segments]
        positions = np.concatenate([f[0] for f in found])
        scores = np.concatenate([f[1] for f in found])
        if len(self._gone):
            there = ~np.isin(positions, self._gone)
            positions, scores = positions[there], scores[there]
        best = np.argsort(-scores, kind="stable")[:k]
        return positions[best], scores[best]

    def _gone_in(self, segment: Segment) -> int:
        first, last = np.searchsorted(self._gone, [segment.first, segment.first + len(segment)])
        return int(last - first)

    def score(self, query: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Exact cosines of these positions."""
        if not len(positions):
            return np.zeros(0, np.float32)
        return np.asarray(self._vectors(positions).astype(np.float32) @ _row(query)[0], np.float32)

    def _vectors(self, positions: NDArray[np.int64]) -> Halves:
        out = np.zeros((len(positions), len(self._moments.total)), np.float16)
        for segment in self._segments:
            inside = (positions >= segment.first) & (positions < segment.first + len(segment))
            if inside.any():
                out[inside] = segment.vectors[positions[inside] - segment.first]
        return out

    def spread(self, query: Vectors) -> tuple[float, float]:
        """Mean and standard deviation of the query's cosine to every passage.

        Exact, from the passages' mean and covariance: q·m and sqrt(qᵀCq), without touching the passages.
        """
        q = _row(query)[0].astype(np.float64)
        variance = float(q @ self._covariance @ q)
        return float(q @ self._mean), max(variance, 0.0) ** 0.5


def _save(moments: Moments, folder: Path) -> None:
    np.savez(folder / _MOMENTS, count=moments.count, total=moments.total, square=moments.square)


def _row(query: Vectors) -> Vectors:
    """float32 and contiguous at the door: a float64 query would make numpy copy the whole matrix."""
    return np.ascontiguousarray(query, np.float32).reshape(1, -1)
