"""The dense leg: FAISS, exact inner products, and the spread of a question's cosines over the whole index."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from mlrag.records import Vectors

_INDEX, _MOMENTS = "dense.faiss", "moments.npz"


class DenseIndex:
    """Positions 0 … n-1 are those of the rows it was built from."""

    def __init__(self, index: faiss.Index, mean: Vectors, covariance: Vectors) -> None:
        self._index = index
        self._mean = mean
        self._covariance = covariance

    @classmethod
    def build(cls, vectors: Vectors) -> DenseIndex:
        """An exact index over (n, dim) float32 rows of length 1; n may be 0."""
        dim = vectors.shape[1] if len(vectors) else 1
        index = faiss.IndexFlatIP(dim)
        if len(vectors):
            index.add(np.ascontiguousarray(vectors, np.float32))
            mean = vectors.mean(0)
            centred = vectors - mean
            covariance = (centred.T @ centred) / len(vectors)
        else:
            mean, covariance = np.zeros(dim, np.float32), np.zeros((dim, dim), np.float32)
        return cls(index, mean, covariance)

    def save(self, folder: Path) -> None:
        faiss.write_index(self._index, str(folder / _INDEX))
        np.savez(folder / _MOMENTS, mean=self._mean, covariance=self._covariance)

    @classmethod
    def load(cls, folder: Path) -> DenseIndex:
        with np.load(folder / _MOMENTS) as moments:
            return cls(faiss.read_index(str(folder / _INDEX)), moments["mean"], moments["covariance"])

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions and their cosines, best first."""
        faiss.omp_set_num_threads(1)  # two threads a query are a disaster on busy cores
        scores, positions = self._index.search(_row(query), min(k, len(self)))
        return positions[0].astype(np.int64), scores[0]

    def score(self, query: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Exact cosines of these positions."""
        if not len(positions):
            return np.zeros(0, np.float32)
        return np.asarray(self._index.reconstruct_batch(positions) @ _row(query)[0], np.float32)

    def spread(self, query: Vectors) -> tuple[float, float]:
        """Mean and standard deviation of the query's cosine to every passage.

        Exact, from the passages' mean and covariance: q·m and sqrt(qᵀCq), without touching the passages.
        """
        q = _row(query)[0]
        variance = float(q @ self._covariance @ q)
        return float(q @ self._mean), max(variance, 0.0) ** 0.5


def _row(query: Vectors) -> Vectors:
    """float32 and contiguous at the door: a float64 query would make numpy copy the whole matrix."""
    return np.ascontiguousarray(query, np.float32).reshape(1, -1)
