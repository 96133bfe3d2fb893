"""A segment of the dense leg: vectors that never change, and how they are searched.

Three rungs, by size. `flat` scans float16. `rabitq` scans one bit a dimension (RaBitQ, Gao & Long 2024; FAISS's fast
scan; no training) and takes the exact cosines of the best candidates. `ivf` reads only the lists nearest to the
question, and then does the same. A rung above `flat` is taken with as few candidates, lists first, as find `RECALL` of
the exact `BEST`, which is measured on sentences of the index as the segment is made. Sentences stand nearer to passages
than questions do: their fifty best are about as hard to find as a question's ten, and easier among a million, where
more candidates are taken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from mlrag.index.local.files import link
from mlrag.types import Halves, Vectors

FLAT_UP_TO = 20_000  # vectors: a scan of float16 costs 1 ms there
IVF_FROM = 300_000  # below, a scan of bits costs little more than the reading of lists
RECALL, BEST = 0.99, 50
SAMPLE = 200  # queries that recall is measured with
BLOCK = 65_536  # vectors in float32 at once
_CANDIDATES = (500, 1000)  # whose exact cosines are taken, at least
_AMONG_MANY = (1000, 2000)  # from IVF_FROM on: of a million, 500 find 98.7 of 100 of questions' ten best, 1,000 99.6
_PROBES = (32, 64)  # of 2,048 lists, at a million; reading more costs as much as the scan of all bits
_TRAINED_ON, _ROUNDS = 40, 4  # vectors a list, rounds of k-means
Queries = Callable[[], Vectors]  # (m, dim) of length 1


@dataclass(frozen=True, slots=True)
class Rung:
    """`recall`: of the fifty best, over `sample` queries; 1 for a scan. `probes`: lists that are read. `candidates`:
    whose exact cosines are taken."""

    name: str
    recall: float = 1.0
    sample: int = 0
    probes: int = 0
    candidates: int = 0


class Segment:
    """Positions from `first` on. `vectors` lie in the file, of which only what is read is held in memory."""

    def __init__(self, first: int, exact: faiss.IndexScalarQuantizer, index: faiss.Index | None, rung: Rung) -> None:
        self.first = first
        self.vectors = _rows(exact)
        self.rung = rung
        self._exact = exact
        self._index = faiss.IndexRefine(index, exact) if index else exact
        self._base = index  # IndexRefine does not hold what it is made of

    @classmethod
    def load(cls, path: Path) -> Segment:
        """By the path of its vectors, `dense-FIRST.vectors`. Raises OSError, ValueError, RuntimeError."""
        exact: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        rung = Rung(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        index: Any = None if rung.name == "flat" else faiss.read_index(str(path.with_suffix(".faiss")))
        if rung.probes:
            _read_lists(index, rung.probes)
        return cls(int(path.stem.split("-")[1]), exact, index, rung)

    def __len__(self) -> int:
        return int(self._exact.ntotal)

    def search(self, row: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions to a (1, dim) query and their cosines, best first."""
        k = min(k, len(self))
        if self._base is None:
            cosines, found = self._exact.search(row, k)
        else:
            more = faiss.IndexRefineSearchParameters()
            more.k_factor = max(self.rung.candidates / k, 2)
            cosines, found = self._index.search(row, k, params=more)
        there = found[0] >= 0
        return found[0][there].astype(np.int64) + self.first, cosines[0][there]

    def score(self, row: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Exact cosines of these positions to a (1, dim) query."""
        return np.asarray(_decoded(self._exact, self.vectors[positions - self.first]) @ row[0], np.float32)


def segments(folder: Path) -> list[Segment]:
    """Those of a folder, in order."""
    return sorted(map(Segment.load, folder.glob("dense-*.vectors")), key=lambda s: s.first)


def rungs(folder: Path) -> list[Rung]:
    """How the segments of a folder are searched, without opening them."""
    return [Rung(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("dense-*.json"))]


def share(old: Path, first: int, new: Path) -> None:
    """Put a segment's files into another folder too."""
    for path in old.glob(f"dense-{first}.*"):
        link(path, new / path.name)


def write(folder: Path, first: int, parts: Sequence[Halves], queries: Queries) -> None:
    """Write a segment of (n, dim) float16 rows of length 1. `queries` are asked for only where recall is measured."""
    exact = _halves(parts)
    vectors = _rows(exact)
    path = folder / f"dense-{first}.vectors"
    faiss.write_index(exact, str(path))
    index, rung = _climb(vectors, queries) if len(vectors) > FLAT_UP_TO else (None, Rung("flat"))
    path.with_suffix(".json").write_text(json.dumps(asdict(rung)), encoding="utf-8")
    if index is not None:
        faiss.write_index(index, str(path.with_suffix(".faiss")))


def blocks(vectors: Halves) -> Iterator[Vectors]:
    """The rows in float32, some at a time."""
    for start in range(0, len(vectors), BLOCK):
        yield np.ascontiguousarray(vectors[start : start + BLOCK], np.float32)


def _halves(parts: Sequence[Halves]) -> faiss.IndexScalarQuantizer:
    """The rows as they are, as FAISS reads them."""
    exact = faiss.IndexScalarQuantizer(parts[0].shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    for part in parts:
        exact.add_sa_codes(np.ascontiguousarray(part).view(np.uint8))
    return exact


def _rows(exact: faiss.IndexScalarQuantizer) -> Halves:
    """The vectors that such an index is of, not copied; it must outlive them."""
    codes = faiss.rev_swig_ptr(exact.codes.data(), exact.ntotal * exact.code_size)
    rows: Halves = codes.view(np.float16).reshape(exact.ntotal, -1)
    return rows


def _decoded(exact: faiss.IndexScalarQuantizer, rows: Halves) -> Vectors:
    """In float32, by the processor's own instruction, which NumPy does not use."""
    decoded: Vectors = exact.sa_decode(np.ascontiguousarray(rows).view(np.uint8))
    return decoded


def _climb(vectors: Halves, queries: Queries) -> tuple[faiss.Index | None, Rung]:
    """The cheapest search of this size whose recall is enough; no index for `flat`."""
    asked = np.ascontiguousarray(queries()[:SAMPLE], np.float32)
    if not len(asked):
        return None, Rung("flat")
    best = _best(vectors, asked)
    for index, rung in _rungs(vectors, asked, best):
        recall = _recall(index, asked, best, rung.candidates)
        if recall >= RECALL:
            return index, replace(rung, recall=recall, sample=len(asked))
    return None, Rung("flat")


def _best(vectors: Halves, queries: Vectors) -> NDArray[np.int64]:
    """The exact BEST of each query, by blocks: many queries at once are one product of matrices."""
    heap = faiss.ResultHeap(len(queries), BEST, keep_max=True)
    for number, block in enumerate(blocks(vectors)):
        cosines, found = faiss.knn(queries, block, min(BEST, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(cosines, found + number * BLOCK)
    heap.finalize()
    best: NDArray[np.int64] = heap.I
    return best


def _rungs(vectors: Halves, queries: Vectors, best: NDArray[np.int64]) -> Iterator[tuple[faiss.Index, Rung]]:
    """From the cheapest search to the dearest. Lists are filled only if the best lie in those that would be read."""
    counts = _AMONG_MANY if len(vectors) >= IVF_FROM else _CANDIDATES
    if len(vectors) >= IVF_FROM:
        index = _ivf(vectors)
        for probes in (p for p in _PROBES if _within(index, p, queries, vectors[best]) >= RECALL):
            index = index if index.ntotal else _filled(index, vectors)
            _read_lists(index, probes)
            for candidates in counts:
                yield index, Rung("ivf", probes=probes, candidates=candidates)
    index = _rabitq(vectors)
    for candidates in counts:
        yield index, Rung("rabitq", candidates=candidates)


def _within(index: Any, probes: int, queries: Vectors, best: Halves) -> float:
    """The share of (m, BEST, dim) vectors whose lists are among the `probes` that their queries read."""
    _, read = index.quantizer.search(queries, probes)
    lists = index.quantizer.assign(np.ascontiguousarray(best.reshape(-1, best.shape[2]), np.float32), 1)
    return float((lists.reshape(len(best), -1, 1) == read[:, None]).any(2).mean())


def _recall(index: faiss.Index, queries: Vectors, best: NDArray[np.int64], candidates: int) -> float:
    """The share of the exact best that stand among the candidates."""
    _, found = index.search(queries, min(candidates, int(index.ntotal)))
    hits = sum(len(np.intersect1d(*pair)) for pair in zip(found, best, strict=True))
    return round(hits / best.size, 4)


def _rabitq(vectors: Halves) -> faiss.Index:
    """Around the mean: e5's vectors share one direction, and the signs of raw ones say little."""
    index = faiss.IndexRaBitQFastScan(vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(vectors.mean(0, dtype=np.float64)[None], np.float32))
    return _filled(index, vectors)


def _ivf(vectors: Halves) -> Any:
    lists = 2 ** round(math.log2(2 * math.sqrt(len(vectors))))
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{lists},RaBitQfs", faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(0).choice(len(vectors), min(len(vectors), lists * _TRAINED_ON), replace=False)
    index.cp.niter = _ROUNDS
    index.train(np.ascontiguousarray(vectors[np.sort(chosen)], np.float32))
    return index


def _read_lists(index: faiss.Index, probes: int) -> None:
    faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)


def _filled(index: faiss.Index, vectors: Halves) -> faiss.Index:
    for block in blocks(vectors):
        index.add(block)
    return index
