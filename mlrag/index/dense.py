"""The dense leg: FAISS, exact inner products, and the spread of a question's cosines over the whole index.

Vectors lie in segments, files that never change and that generations share by hard links. A new generation adds one
segment for what is new, merged with those before it that are not much larger, so that there are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from mlrag.index.files import link
from mlrag.records import Vectors

_MOMENTS, _BLOCK = "moments.npz", 8192


@dataclass(frozen=True, slots=True)
class Moments:
    """Number, sum (dim,) and sum of outer products (dim, dim) of vectors, in float64."""

    count: int
    total: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Vectors) -> Moments:
        dim = vectors.shape[1]
        total, square = np.zeros(dim), np.zeros((dim, dim))
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK].astype(np.float64)
            total += block.sum(0)
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
        self._segments: list[tuple[int, faiss.Index]] = [
            (int(path.stem.split("-")[1]), faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC))
            for path in folder.glob("dense-*.faiss")
        ]
        self._segments.sort(key=lambda segment: segment[0])
        with np.load(folder / _MOMENTS) as stored:
            self._moments = Moments(int(stored["count"]), stored["total"], stored["square"])
        live = max(1, self._moments.count)
        self._mean = self._moments.total / live
        self._covariance = self._moments.square / live - np.outer(self._mean, self._mean)

    @staticmethod
    def build(vectors: Vectors, folder: Path) -> None:
        """Write an exact index over (n, dim) float32 rows of length 1; n may be 0."""
        if len(vectors):
            _write(folder, 0, [vectors])
        _save(Moments.of(vectors), folder)

    def extend(self, added: Vectors, gone: NDArray[np.int64], folder: Path) -> None:
        """Write the index with rows added at its end, and without those at `gone`."""
        kept, last = list(self._segments), [added] if len(added) else []
        while last and kept and kept[-1][1].ntotal <= 2 * sum(map(len, last)):
            _, index = kept.pop()
            last.insert(0, index.reconstruct_n(0, index.ntotal))
        for first, _ in kept:
            link(_segment(self._folder, first), _segment(folder, first))
        if last:
            _write(folder, sum(index.ntotal for _, index in kept), last)
        moments = self._moments.plus(Moments.of(added)) if len(added) else self._moments
        _save(moments.plus(Moments.of(self._vectors(gone)), -1) if len(gone) else moments, folder)

    def __len__(self) -> int:
        return self._moments.count

    def search(self, query: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions and their cosines, best first."""
        faiss.omp_set_num_threads(1)  # two threads a query are a disaster on busy cores
        if not self._segments:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        found = [self._nearest(first, index, _row(query), k) for first, index in self._segments]
        positions = np.concatenate([f[0] for f in found])
        scores = np.concatenate([f[1] for f in found])
        if len(self._gone):
            there = ~np.isin(positions, self._gone)
            positions, scores = positions[there], scores[there]
        best = np.argsort(-scores, kind="stable")[:k]
        return positions[best], scores[best]

    def _nearest(self, first: int, index: faiss.Index, row: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        inside = np.searchsorted(self._gone, [first, first + index.ntotal])
        scores, positions = index.search(row, min(k + int(inside[1] - inside[0]), index.ntotal))
        return positions[0].astype(np.int64) + first, scores[0]

    def score(self, query: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Exact cosines of these positions."""
        if not len(positions):
            return np.zeros(0, np.float32)
        return np.asarray(self._vectors(positions) @ _row(query)[0], np.float32)

    def _vectors(self, positions: NDArray[np.int64]) -> Vectors:
        out = np.zeros((len(positions), len(self._moments.total)), np.float32)
        for first, index in self._segments:
            inside = (positions >= first) & (positions < first + index.ntotal)
            if inside.any():
                out[inside] = index.reconstruct_batch(positions[inside] - first)
        return out

    def spread(self, query: Vectors) -> tuple[float, float]:
        """Mean and standard deviation of the query's cosine to every passage.

        Exact, from the passages' mean and covariance: q·m and sqrt(qᵀCq), without touching the passages.
        """
        q = _row(query)[0].astype(np.float64)
        variance = float(q @ self._covariance @ q)
        return float(q @ self._mean), max(variance, 0.0) ** 0.5


def _segment(folder: Path, first: int) -> Path:
    return folder / f"dense-{first}.faiss"


def _write(folder: Path, first: int, parts: Sequence[Vectors]) -> None:
    index = faiss.IndexFlatIP(parts[0].shape[1])
    for part in parts:
        index.add(np.ascontiguousarray(part, np.float32))
    faiss.write_index(index, str(_segment(folder, first)))


def _save(moments: Moments, folder: Path) -> None:
    np.savez(folder / _MOMENTS, count=moments.count, total=moments.total, square=moments.square)


def _row(query: Vectors) -> Vectors:
    """float32 and contiguous at the door: a float64 query would make numpy copy the whole matrix."""
    return np.ascontiguousarray(query, np.float32).reshape(1, -1)
