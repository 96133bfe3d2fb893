"""A segment of the dense ranker: vectors that never change, and how they are searched.

Three search methods, by size. `flat` scans float16. `rabitq` scans one bit a dimension (RaBitQ, Gao & Long 2024;
FAISS's fast scan; no training) and takes the exact cosines of the best candidates. `ivf` reads only the lists nearest
to the question, and then does the same. A method other than `flat` is taken with as few candidates, lists first, as
find `RECALL` of the exact `BEST`, which is measured on sentences of the index as the segment is made. Sentences stand
nearer to passages than questions do: their fifty best are about as hard to find as a question's ten, and easier among a
million, where more candidates are taken.
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

from mlrag.index.cosine_stats import BLOCK, blocks
from mlrag.index.local.files import link
from mlrag.types import Halves, Vectors

FLAT_UP_TO = 20_000  # vectors: a scan of float16 costs 1 ms there
IVF_FROM = 300_000  # below, a scan of bits costs little more than the reading of lists
RECALL, BEST = 0.99, 50
SAMPLE = 200  # queries that recall is measured with
_CANDIDATES = (500, 1000)  # whose exact cosines are taken, at least
_AMONG_MANY = (1000, 2000)  # from IVF_FROM on: of a million, 500 find 98.7 of 100 of questions' ten best, 1,000 99.6
_PROBES = (32, 64)  # of 2,048 lists, at a million; reading more costs as much as the scan of all bits
_TRAINED_ON, _ROUNDS = 40, 4  # vectors a list, rounds of k-means
Queries = Callable[[], Vectors]  # (m, dim) of length 1


@dataclass(frozen=True, slots=True)
class SearchMethod:
    """`recall`: of the fifty best, over `sample` queries; 1 for a scan. `probes`: lists that are read. `candidates`:
    whose exact cosines are taken."""

    name: str
    recall: float = 1.0
    sample: int = 0
    probes: int = 0
    candidates: int = 0


class Segment:
    """Positions from `first` on. `vectors` lie in the file, of which only what is read is held in memory."""

    def __init__(
        self, first: int, exact: faiss.IndexScalarQuantizer, index: faiss.Index | None, method: SearchMethod
    ) -> None:
        self.first = first
        self.vectors = _rows(exact)
        self.method = method
        self._exact = exact
        self._index = faiss.IndexRefine(index, exact) if index else exact
        self._base = index  # IndexRefine does not hold what it is made of

    @classmethod
    def load(cls, path: Path) -> Segment:
        """Open a segment. `path`: its vectors, `dense-FIRST.vectors`. Raises OSError, ValueError, RuntimeError."""
        exact: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        method = SearchMethod(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        index: Any = None if method.name == "flat" else faiss.read_index(str(path.with_suffix(".faiss")))
        if method.probes:
            _set_probes(index, method.probes)
        return cls(int(path.stem.split("-")[1]), exact, index, method)

    def __len__(self) -> int:
        return int(self._exact.ntotal)

    def search(self, row: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """The k nearest positions to a (1, dim) query and their cosines, best first."""
        k = min(k, len(self))
        if self._base is None:
            cosines, found = self._exact.search(row, k)
        else:
            more = faiss.IndexRefineSearchParameters()
            more.k_factor = max(self.method.candidates / k, 2)
            cosines, found = self._index.search(row, k, params=more)
        valid = found[0] >= 0  # FAISS fills up with -1
        return found[0][valid].astype(np.int64) + self.first, cosines[0][valid]

    def score(self, row: Vectors, positions: NDArray[np.int64]) -> Vectors:
        """Exact cosines of these positions to a (1, dim) query."""
        return np.asarray(_decode(self._exact, self.vectors[positions - self.first]) @ row[0], np.float32)


def load_segments(folder: Path) -> list[Segment]:
    """Open the segments of a folder, in order."""
    return sorted(map(Segment.load, folder.glob("dense-*.vectors")), key=lambda s: s.first)


def read_search_methods(folder: Path) -> list[SearchMethod]:
    """Return how the segments of a folder are searched, without opening them."""
    return [
        SearchMethod(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("dense-*.json"))
    ]


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
    index, method = _choose_method(vectors, queries) if len(vectors) > FLAT_UP_TO else (None, SearchMethod("flat"))
    path.with_suffix(".json").write_text(json.dumps(asdict(method)), encoding="utf-8")
    if index is not None:
        faiss.write_index(index, str(path.with_suffix(".faiss")))


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


def _decode(exact: faiss.IndexScalarQuantizer, rows: Halves) -> Vectors:
    """In float32, by the processor's own instruction, which NumPy does not use."""
    decoded: Vectors = exact.sa_decode(np.ascontiguousarray(rows).view(np.uint8))
    return decoded


def _choose_method(vectors: Halves, queries: Queries) -> tuple[faiss.Index | None, SearchMethod]:
    """Return the cheapest search of this size whose recall is enough; no index for `flat`."""
    sample = np.ascontiguousarray(queries()[:SAMPLE], np.float32)
    if not len(sample):
        return None, SearchMethod("flat")
    best = _find_best(vectors, sample)
    for index, method in _search_methods(vectors, sample, best):
        recall = _measure_recall(index, sample, best, method.candidates)
        if recall >= RECALL:
            return index, replace(method, recall=recall, sample=len(sample))
    return None, SearchMethod("flat")


def _find_best(vectors: Halves, queries: Vectors) -> NDArray[np.int64]:
    """Return the exact BEST of each query, by blocks: many queries at once are one product of matrices."""
    heap = faiss.ResultHeap(len(queries), BEST, keep_max=True)
    for number, block in enumerate(blocks(vectors)):
        cosines, found = faiss.knn(queries, block, min(BEST, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        heap.add_result(cosines, found + number * BLOCK)
    heap.finalize()
    best: NDArray[np.int64] = heap.I
    return best


def _search_methods(
    vectors: Halves, queries: Vectors, best: NDArray[np.int64]
) -> Iterator[tuple[faiss.Index, SearchMethod]]:
    """Yield searches from the cheapest to the dearest. Lists are filled only if the best lie in those that are read."""
    counts = _AMONG_MANY if len(vectors) >= IVF_FROM else _CANDIDATES
    if len(vectors) >= IVF_FROM:
        index = _build_ivf(vectors)
        for probes in (p for p in _PROBES if _list_recall(index, p, queries, vectors[best]) >= RECALL):
            index = index if index.ntotal else _fill(index, vectors)
            _set_probes(index, probes)
            for candidates in counts:
                yield index, SearchMethod("ivf", probes=probes, candidates=candidates)
    index = _build_rabitq(vectors)
    for candidates in counts:
        yield index, SearchMethod("rabitq", candidates=candidates)


def _list_recall(index: Any, probes: int, queries: Vectors, best: Halves) -> float:
    """Return the proportion of (m, BEST, dim) vectors whose lists are among the `probes` that their queries read."""
    _, read = index.quantizer.search(queries, probes)
    lists = index.quantizer.assign(np.ascontiguousarray(best.reshape(-1, best.shape[2]), np.float32), 1)
    return float((lists.reshape(len(best), -1, 1) == read[:, None]).any(2).mean())


def _measure_recall(index: faiss.Index, queries: Vectors, best: NDArray[np.int64], candidates: int) -> float:
    """Return the proportion of the exact best that are among the candidates."""
    _, found = index.search(queries, min(candidates, int(index.ntotal)))
    hits = sum(len(np.intersect1d(*pair)) for pair in zip(found, best, strict=True))
    return round(hits / best.size, 4)


def _build_rabitq(vectors: Halves) -> faiss.Index:
    """Around the mean: e5's vectors share one direction, and the signs of raw ones say little."""
    index = faiss.IndexRaBitQFastScan(vectors.shape[1], faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(vectors.mean(0, dtype=np.float64)[None], np.float32))
    return _fill(index, vectors)


def _build_ivf(vectors: Halves) -> Any:
    lists = 2 ** round(math.log2(2 * math.sqrt(len(vectors))))
    index: Any = faiss.index_factory(vectors.shape[1], f"IVF{lists},RaBitQfs", faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(0).choice(len(vectors), min(len(vectors), lists * _TRAINED_ON), replace=False)
    index.cp.niter = _ROUNDS
    index.train(np.ascontiguousarray(vectors[np.sort(chosen)], np.float32))
    return index


def _set_probes(index: faiss.Index, probes: int) -> None:
    faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)


def _fill(index: faiss.Index, vectors: Halves) -> faiss.Index:
    for block in blocks(vectors):
        index.add(block)
    return index
