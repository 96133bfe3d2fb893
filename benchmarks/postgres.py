"""python -m benchmarks.postgres [--passages 20000] [--kills 5] [--quick]: PostgreSQL beside the embedded store.

Speed: one language (English), documents of ten passages, random unit vectors; both stores on this machine, the server a
real PostgreSQL 18 with pgvector and 64 MB of shared_buffers. A question is the first six words of a sentence. Search is
the whole of it: both legs, fusion, passages and sentences. Recall is of the dense leg's ten best against a scan.

Lost primary: two nodes, commits acknowledged once the standby has them. Under a writer and an asker the primary's
processes are killed with kill -9 and the standby is promoted at once; told are acknowledged documents, those of them
that are lost, and the longest time between two acknowledged writes and between two answers.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.kill_store import Hashed
from benchmarks.reopen import LANG, documents, sentences
from eval.statistics import rule_of_three
from mlrag.index.places import FolderIndexes
from mlrag.index.postgres.places import HNSW_FROM, PostgresIndexes
from mlrag.index.protocol import Asked, Index, Indexes
from mlrag.index.values import EmbeddedPassage
from mlrag.ingest import BATCH, index_documents
from mlrag.records import Document
from mlrag.retrieval import Retriever
from mlrag.testing.postgres import PostgresNode, url

STAND_IN = Hashed()
_WRITES = 20  # acknowledged before the kill, and after it
show = Console(width=120)


def percentiles(seconds: Sequence[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    return f"p50 {1e3 * statistics.median(seconds):.1f} ms, p95 {1e3 * float(np.quantile(seconds, 0.95)):.1f} ms"


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def questions(count: int) -> list[Asked]:
    known, noise = sentences(), np.random.default_rng(1)
    vectors = noise.normal(size=(count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [Asked(" ".join(known[n % len(known)].split()[:6]), v) for n, v in enumerate(vectors)]


def recall(indexes: Indexes, index: Index, asked: Sequence[Asked]) -> float:
    rows, halves = indexes.store(LANG).vectors()
    matrix, hits = halves.astype(np.float32), 0
    for a in asked:
        best = rows[np.argpartition(-(matrix @ a.vector), 10)[:10]].tolist()
        exact = {p.id for p in indexes.store(LANG).passages(best)}
        hits += len(exact & set(index.ranking(Asked(a.question, a.vector, 10), "dense")))
    return hits / (10 * len(asked))


def measure(name: str, indexes: Indexes, held: Sequence[tuple[Document, list[EmbeddedPassage]]], count: int) -> float:
    """The median seconds of a search."""
    store, index = indexes.store(LANG), indexes.index(LANG)
    batches = [held[start : start + BATCH] for start in range(0, len(held), BATCH)]
    load = timed(lambda: [store.put(b, "random", "random") for b in batches])
    tidy = timed(index.tidy)
    asked = questions(count)
    index.search(asked[0])
    seconds = [timed(lambda a=a: index.search(a)) for a in asked]  # type: ignore[misc]
    change = [timed(lambda d=d: (store.put([d], "random", "random"), index.search(asked[0]))) for d in held[:10]]  # type: ignore[misc]
    only = frozenset(d.id for d, _ in held[:50])
    narrow = [timed(lambda a=a: index.search(Asked(a.question, a.vector, only=only))) for a in asked]  # type: ignore[misc]
    found, size = recall(indexes, index, asked[:50]), index.size() / 1e6
    show.print(f"{name}: load {load:.1f} s, index {tidy:.1f} s, {size:.0f} MB; dense recall@10 {found:.3f}")
    show.print(f"  search {percentiles(seconds)}; within 50 documents {percentiles(narrow)}")
    show.print(f"  one document changed and found: {percentiles(change)}")
    return statistics.median(seconds)


def speed(passages: int, count: int, hnsw_from: int) -> None:
    held = list(documents(passages // 10, random.Random(0)))
    show.print(f"{passages} passages of one language, {count} questions")
    with tempfile.TemporaryDirectory() as folder, PostgresNode() as node:
        embedded = measure("embedded", FolderIndexes(Path(folder)), held, count)
        indexes = PostgresIndexes(node.url, hnsw_from)
        way = "HNSW" if passages >= hnsw_from else "scan"
        server = measure(f"PostgreSQL ({way})", indexes, held, count)
        indexes.close()
    show.print(f"PostgreSQL takes {server / embedded:.1f} times as long for a search")


def lost_primary(number: int) -> tuple[int, int]:
    """(acknowledged, lost) documents of one kill."""
    with PostgresNode() as primary, PostgresNode(of=primary) as standby:
        primary.wait_for_standby()
        indexes = PostgresIndexes(url(primary, standby))
        index_documents([_document(0)], indexes, STAND_IN)
        writes, reads, stop = [time.monotonic()], [time.monotonic()], threading.Event()
        failed: list[str] = []
        threads = [
            threading.Thread(target=_write, args=(indexes, writes, stop)),
            threading.Thread(target=_read, args=(indexes, reads, stop, failed)),
        ]
        for thread in threads:
            thread.start()
        _until(lambda: len(writes) > _WRITES)
        primary.kill()
        killed = len(writes)
        standby.promote()
        _until(lambda: len(writes) > killed + _WRITES)
        stop.set()
        for thread in threads:
            thread.join()
        held = indexes.store("ta").hashes()
        lost = sum(f"d{n}" not in held for n in range(len(writes)))
        indexes.close()
    gaps = float(np.diff(writes).max()), float(np.diff(reads).max())
    said = f"write gap {gaps[0]:.2f} s, read gap {gaps[1]:.2f} s, {len(reads)} reads, {len(failed)} failed"
    show.print(f"kill {number}: {len(writes)} documents acknowledged, {lost} lost; {said}")
    return len(writes), lost


def _document(number: int) -> Document:
    return Document(f"d{number}", "ta", f"நகரம் ஆற்றங்கரையில் {number} உள்ளது.")


def _write(indexes: Indexes, at: list[float], stop: threading.Event) -> None:
    while not stop.is_set():
        index_documents([_document(len(at))], indexes, STAND_IN)
        at.append(time.monotonic())


def _read(indexes: Indexes, at: list[float], stop: threading.Event, failed: list[str]) -> None:
    retriever = Retriever(indexes, STAND_IN)
    while not stop.is_set():
        try:
            retriever.search("நகரம்", "ta")
            at.append(time.monotonic())
        except Exception as error:
            failed.append(str(error))


def _until(done: Callable[[], bool]) -> None:
    while not done():
        time.sleep(0.02)


def main(
    passages: Annotated[int, typer.Option(min=100)] = 20_000,
    count: Annotated[int, typer.Option("--questions", min=10)] = 200,
    kills: Annotated[int, typer.Option(min=0)] = 5,
    hnsw_from: Annotated[int, typer.Option(min=1, help="Passages from which there is an HNSW index.")] = HNSW_FROM,
    quick: Annotated[bool, typer.Option(help="1,000 passages, 50 questions, one kill.")] = False,
) -> None:
    speed(1000 if quick else passages, 50 if quick else count, hnsw_from)
    told = [lost_primary(number + 1) for number in range(1 if quick else kills)]
    acknowledged, lost = (sum(t[n] for t in told) for n in range(2))
    if told:
        show.print(f"{lost} of {acknowledged} acknowledged lost (95 %: at most {rule_of_three(acknowledged):.2%})")


if __name__ == "__main__":
    typer.run(main)
