"""What is measured of a place for indexes, a folder or PostgreSQL: load, merge, size, memory, searches, recall."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.mixed import PASSAGES, Sentences, documents
from mlrag.embedding.e5.embedder import E5
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.postgres.indexes import PostgresIndexes
from mlrag.index.protocol import Indexes, SearchQuery

Questions = Mapping[str, Sequence[SearchQuery]]
_BATCH = 100  # documents in one transaction
_CHANGED = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, or a server's address. `hnsw_from`: passages of a language from which the server has HNSW."""

    folder: Path | None
    address: str
    hnsw_from: int

    @property
    def name(self) -> str:
        return "folder" if self.folder else "PostgreSQL"

    def open(self) -> Indexes:
        return FolderIndexes(self.folder) if self.folder else PostgresIndexes(self.address, self.hnsw_from)


@dataclass(frozen=True, slots=True)
class Searches:
    """Seconds of each search in its own language, of each in all of them, within 50 documents, and of each change until
    it is found; bytes that the process took meanwhile; the share of the ten nearest that the dense leg found."""

    own: list[float]
    every: list[float]
    narrow: list[float]
    changes: list[float]
    memory: int
    recall: float


def percentiles(seconds: Sequence[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    return f"{1e3 * statistics.median(seconds):.1f} / {1e3 * float(np.quantile(seconds, 0.95)):.1f} ms"


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def fill(place: Place, lang: str, passages: int, known: Sentences) -> tuple[float, float]:
    """Seconds to store the passages that are not there, and to make what a search needs."""
    indexes = place.open()
    store, load = indexes.store(lang), 0.0
    there, batch = store.hashes(), []
    for document, parts in documents(lang, passages // PASSAGES, known):
        if document.id not in there:
            batch.append((document, parts))
        if len(batch) == _BATCH:
            load += timed(lambda b=batch: store.put(b, E5.name, "mixed"))  # type: ignore[misc]
            batch = []
    load += timed(lambda: store.put(batch, E5.name, "mixed")) if batch else 0.0
    tidy = timed(indexes.index(lang).optimize)
    indexes.close()
    return load, tidy


def search(place: Place, asked: Questions, known: Mapping[str, Sentences]) -> Searches:
    """In a process of its own, which has nothing else in memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_search, place, asked, known).result()


def _search(place: Place, asked: Questions, known: Mapping[str, Sentences]) -> Searches:
    before, indexes = resident("self"), place.open()
    by_lang = {lang: indexes.index(lang) for lang in asked}
    for lang, index in by_lang.items():
        index.search(asked[lang][0])
    pairs = [(by_lang[lang], a) for lang in asked for a in asked[lang]]
    own = [timed(lambda i=i, a=a: i.search(a)) for i, a in pairs]  # type: ignore[misc]
    few = [asked[lang][n] for n in range(3) for lang in asked if n < len(asked[lang])]
    every = [timed(lambda a=a: [i.search(a) for i in by_lang.values()]) for a in few]  # type: ignore[misc]
    taken = resident("self") - before
    first = next(iter(asked))
    only = frozenset(f"{first}-{n}" for n in range(50))
    narrow = [timed(lambda a=a: by_lang[first].search(replace(a, only=only))) for a in asked[first]]  # type: ignore[misc]
    found = statistics.mean(recall(indexes, lang, asked[lang][:20]) for lang in list(asked)[:4])
    changes = [timed(lambda d=d: _change(indexes, first, asked[first][0], d)) for d in _changed(first, known[first])]  # type: ignore[misc]
    indexes.close()
    return Searches(own, every, narrow, changes, taken, found)


def _changed(lang: str, known: Sentences) -> list[object]:
    return list(documents(lang, _CHANGED, known, seed=1))


def _change(indexes: Indexes, lang: str, asked: SearchQuery, changed: object) -> None:
    indexes.store(lang).put([changed], E5.name, "mixed")  # type: ignore[list-item]
    indexes.index(lang).search(asked)


def recall(indexes: Indexes, lang: str, asked: Sequence[SearchQuery]) -> float:
    """The share of the ten passages nearest to each question that the dense leg has among its ten."""
    rows, halves = indexes.store(lang).vectors()
    matrix, hits = halves.astype(np.float32), 0
    for a in asked:
        best = rows[np.argpartition(-(matrix @ a.vector), 10)[:10]].tolist()
        exact = {p.id for p in indexes.store(lang).passages(best)}
        hits += len(exact & set(indexes.index(lang).rank(replace(a, k=10), "dense")))
    return hits / (10 * len(asked))


def resident(pid: int | str) -> int:
    """Bytes of memory of a process, its share of what it has in common with others (Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
