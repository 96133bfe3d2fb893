"""The dense ranker: the nearest passages, exact cosines, and the spread of a question's cosines over the whole index.

Vectors lie in segments, files that never change and that snapshots share by hard links. A new snapshot adds one segment
for what is new, merged with those before it that are not much larger, so that there are few.
"""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from mlrag.index.cosine_stats import CosineSpread, CosineStats
from mlrag.index.local.segment import Queries, SearchMethod, Segment, load_segments, share, write
from mlrag.types import Halves, Vectors

_STATS = "moments.npz"


class DenseIndex:
    """Positions 0 … n-1 are those of the rows it was built from; the positions in `gone` are never found."""

    def __init__(self, folder: Path, gone: NDArray[np.int64]) -> None:
        self._folder = folder
        self._gone = gone
        self._segments = load_segments(folder)
        with np.load(folder / _STATS) as stored:
            self._stats = CosineStats(int(stored["count"]), stored["total"], stored["square"])
        self._spread = CosineSpread(self._stats)

    @staticmethod
    def build(vectors: Halves, folder: Path, queries: Queries) -> None:
        """Write an index over (n, dim) float16 rows of length 1; n may be 0. Recall is measured with `queries`."""
        if len(vectors):
            write(folder, 0, [vectors], queries)
        _save(CosineStats.from_vectors(vectors), folder)

    def extend(self, added: Halves, gone: NDArray[np.int64], folder: Path, queries: Queries) -> None:
        """Write the index with rows added at its end, and without those at `gone`."""
        kept, last = list(self._segments), [added] if len(added) else []
        while last and kept and len(kept[-1]) <= 2 * sum(map(len, last)):
            last.insert(0, kept.pop().vectors)
        for segment in kept:
            share(self._folder, segment.first, folder)
        if last:
            write(folder, sum(map(len, kept)), last, queries)
        stats = self._stats.plus(CosineStats.from_vectors(added)) if len(added) else self._stats
        if len(gone):
            stats = stats.plus(CosineStats.from_vectors(self._vectors(gone)), -1)
        _save(stats, folder)

    def __len__(self) -> int:
        return self._stats.count

    @property
    def search_methods(self) -> list[SearchMethod]:
        """How its segments are searched, the oldest first."""
        return [segment.method for segment in self._segments]

    def search(self, query: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions and their cosines, best first."""
        faiss.omp_set_num_threads(1)  # two threads a query are a disaster on busy cores
        if not self._segments:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        if len(self._segments) == 1 and not len(self._gone):
            return self._segments[0].search(_row(query), k)
        found = [segment.search(_row(query), k + self._count_gone(segment)) for segment in self._segments]
        positions = np.concatenate([f[0] for f in found])
        scores = np.concatenate([f[1] for f in found])
        if len(self._gone):
            live = ~np.isin(positions, self._gone)
            positions, scores = positions[live], scores[live]
        best = np.argsort(-scores, kind="stable")[:k]
        return positions[best], scores[best]

    def _count_gone(self, segment: Segment) -> int:
        first, last = np.searchsorted(self._gone, [segment.first, segment.first + len(segment)])
        return int(last - first)

    def score(self, query: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Exact cosines of these positions."""
        row, cosines = _row(query), np.zeros(len(positions), np.float32)
        for segment in self._segments:
            inside = (positions >= segment.first) & (positions < segment.first + len(segment))
            cosines[inside] = segment.score(row, positions[inside])
        return cosines

    def _vectors(self, positions: NDArray[np.int64]) -> Halves:
        out = np.zeros((len(positions), len(self._stats.total)), np.float16)
        for segment in self._segments:
            inside = (positions >= segment.first) & (positions < segment.first + len(segment))
            if inside.any():
                out[inside] = segment.vectors[positions[inside] - segment.first]
        return out

    def spread(self, query: Vectors) -> tuple[float, float]:
        """Mean and standard deviation of the query's cosine to every passage."""
        return self._spread.compute(query)


def _save(stats: CosineStats, folder: Path) -> None:
    np.savez(folder / _STATS, count=stats.count, total=stats.total, square=stats.square)


def _row(query: Vectors) -> Vectors:
    """float32 and contiguous at the door: a float64 query would make numpy copy the whole matrix."""
    return np.ascontiguousarray(query, np.float32).reshape(1, -1)
