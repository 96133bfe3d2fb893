"""A segment of the dense leg: vectors that never change, and how they are searched.

Three rungs, by size. `flat` scans float32. `rabitq` scans one bit a dimension (RaBitQ, Gao & Long 2024; FAISS's fast
scan; no training) and takes the exact cosines of the best candidates. `ivf` reads only the lists nearest to the
question, and then does the same. A rung above `flat` is taken only where it finds `RECALL` of the exact ten best, which
is measured on sentences of the index as the segment is made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from mlrag.index.files import link
from mlrag.records import Halves, Vectors

FLAT_UP_TO = 20_000  # vectors: a scan of float32 costs 1.5 ms there, and 30 MB
IVF_FROM = 300_000  # below, a scan of bits costs little more than the reading of lists
RECALL = 0.99
SAMPLE = 200  # queries that recall is measured with
BLOCK = 65_536  # vectors in float32 at once
_CANDIDATES = 200  # whose exact cosines are taken, at least
_PROBES = (32, 64, 128)
_TRAINED_ON = 40  # vectors a list
Queries = Callable[[], Vectors]  # (m, dim) of length 1


@dataclass(frozen=True, slots=True)
class Rung:
    """`recall`: of the ten best, over `sample` queries; 1 for a scan. `probes`: lists that are read."""

    name: str
    recall: float = 1.0
    sample: int = 0
    probes: int = 0


class Segment:
    """Positions from `first` on."""

    def __init__(self, first: int, vectors: Halves, index: faiss.Index, rung: Rung) -> None:
        self.first = first
        self.vectors = vectors
        self.rung = rung
        self._index = index

    @classmethod
    def load(cls, path: Path) -> Segment:
        """By the path of its vectors, `dense-FIRST.npy`. Raises OSError, ValueError, RuntimeError."""
        vectors = np.load(path, mmap_mode="r")
        rung = Rung(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        index = _flat(vectors) if rung.name == "flat" else faiss.read_index(str(path.with_suffix(".faiss")))
        if rung.probes:
            _read_lists(index, rung.probes)
        return cls(int(path.stem.split("-")[1]), vectors, index, rung)

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, row: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions to a (1, dim) query and their cosines, best first."""
        if self.rung.name == "flat":
            cosines, found = self._index.search(row, min(k, len(self)))
            return found[0].astype(np.int64) + self.first, cosines[0]
        near = _candidates(self._index, row, k)
        exact = self.vectors[near].astype(np.float32) @ row[0]
        best = np.argsort(-exact, kind="stable")[:k]
        return near[best] + self.first, exact[best]


def segments(folder: Path) -> list[Segment]:
    """Those of a folder, in order."""
    return sorted(map(Segment.load, folder.glob("dense-*.npy")), key=lambda s: s.first)


def rungs(folder: Path) -> list[Rung]:
    """How the segments of a folder are searched, without opening them."""
    return [Rung(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("dense-*.json"))]


def share(old: Path, first: int, new: Path) -> None:
    """Put a segment's files into another folder too."""
    for path in old.glob(f"dense-{first}.*"):
        link(path, new / path.name)


def write(folder: Path, first: int, parts: Sequence[Halves], queries: Queries) -> None:
    """Write a segment of (n, dim) float16 rows of length 1. `queries` are asked for only where recall is measured."""
    vectors = np.concatenate(parts)
    path = folder / f"dense-{first}.npy"
    np.save(path, vectors)
    index, rung = _climb(vectors, queries) if len(vectors) > FLAT_UP_TO else (None, Rung("flat"))
    path.with_suffix(".json").write_text(json.dumps(asdict(rung)), encoding="utf-8")
    if index is not None:
        faiss.write_index(index, str(path.with_suffix(".faiss")))


def blocks(vectors: Halves) -> Iterator[Vectors]:
    """The rows in float32, some at a time."""
    for start in range(0, len(vectors), BLOCK):
        yield np.ascontiguousarray(vectors[start : start + BLOCK], np.float32)


def _climb(vectors: Halves, queries: Queries) -> tuple[faiss.Index | None, Rung]:
    """The highest rung for this size whose recall is enough; no index for `flat`."""
    asked = np.ascontiguousarray(queries()[:SAMPLE], np.float32)
    if not len(asked):
        return None, Rung("flat")
    _, exact = _flat(vectors).search(asked, 10)
    for index, rung in _rungs(vectors):
        recall = _recall(index, vectors, asked, exact)
        if recall >= RECALL:
            return index, Rung(rung.name, recall, len(asked), rung.probes)
    return None, Rung("flat")


def _rungs(vectors: Halves) -> Iterator[tuple[faiss.Index, Rung]]:
    """From the cheapest search to the dearest."""
    if len(vectors) >= IVF_FROM:
        index = _ivf(vectors)
        for probes in _PROBES:
            _read_lists(index, probes)
            yield index, Rung("ivf", probes=probes)
    yield _rabitq(vectors), Rung("rabitq")


def _recall(index: faiss.Index, vectors: Halves, queries: Vectors, exact: NDArray[np.int64]) -> float:
    """The share of the exact ten best that stand among the ten best of the candidates."""
    hits = 0
    for query, best in zip(queries, exact, strict=True):
        near = _candidates(index, query[None], 10)
        cosines = vectors[near].astype(np.float32) @ query
        hits += len(np.intersect1d(near[np.argsort(-cosines, kind="stable")[:10]], best))
    return round(hits / exact.size, 4)


def _candidates(index: faiss.Index, row: Vectors, k: int) -> NDArray[np.int64]:
    _, found = index.search(row, min(max(_CANDIDATES, 2 * k), int(index.ntotal)))
    return np.asarray(found[0][found[0] >= 0], np.int64)


def _flat(vectors: Halves) -> faiss.Index:
    return _filled(faiss.IndexFlatIP(vectors.shape[1]), vectors)


def _rabitq(vectors: Halves) -> faiss.Index:
    """Around the mean: e5's vectors share one direction, and the signs of raw ones say little."""
    index = faiss.IndexRaBitQFastScan(vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(vectors.mean(0, dtype=np.float64)[None], np.float32))
    return _filled(index, vectors)


def _ivf(vectors: Halves) -> faiss.Index:
    lists = 2 ** round(math.log2(2 * math.sqrt(len(vectors))))
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists},RaBitQfs", faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(0).choice(len(vectors), min(len(vectors), lists * _TRAINED_ON), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(chosen)], np.float32))
    return _filled(index, vectors)


def _read_lists(index: faiss.Index, probes: int) -> None:
    faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)


def _filled(index: faiss.Index, vectors: Halves) -> faiss.Index:
    for block in blocks(vectors):
        index.add(block)
    return index
