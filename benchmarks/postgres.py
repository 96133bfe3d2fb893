"""python -m benchmarks.postgres [--passages 20000] [--languages en] [--kills 5] [--quick]: PostgreSQL beside the
embedded store.

Speed: documents of ten passages as `benchmarks.mixed` makes them, of the starter documents' sentences or of those of
the indexes below `--real`; our own questions with their real vectors; both stores on this machine, the server a real
PostgreSQL 18 with pgvector and 64 MB of shared_buffers. Search is the whole of it: both legs, fusion, passages and
sentences; "all languages" is the same question to each, one after the other. Recall is of the dense leg's ten best
against a scan, of 20 questions in each of the first four languages. Memory is Pss.

Lost primary: two nodes, commits acknowledged once the standby has them. Under a writer and an asker the primary's
processes are killed with kill -9 and the standby is promoted at once; told are acknowledged documents, those of them
that are lost, and the longest time between two acknowledged writes and between two answers.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import psycopg
import typer
from rich.console import Console

from benchmarks.kill_store import Hashed
from benchmarks.mixed import Sentences, embedded, questions, stored
from benchmarks.places import Place, Questions, fill, percentiles, resident, search
from eval.statistics import rule_of_three
from mlrag.answering.retriever import Retriever
from mlrag.embedding.load import load_embedder
from mlrag.index.postgres.indexes import HNSW_FROM, PostgresIndexes
from mlrag.index.protocol import Indexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import languages
from mlrag.types import Document
from tests.support.postgres import PostgresNode, url

STAND_IN = Hashed()
_WRITES = 20  # acknowledged before the kill, and after it
show = Console(width=120)


def speed(places: Sequence[Place], langs: Sequence[str], each: int, real: Sequence[Path], most: int) -> None:
    """Both places with the same passages and questions, one after the other."""
    embedder = load_embedder()
    known = {lang: stored(lang, real) if real else embedded(lang, embedder) for lang in langs}
    asked = {lang: questions(lang, embedder, most) for lang in langs}
    distinct = sum(len(k.texts) for k in known.values())
    show.print(f"{each} passages in each of {len(langs)} languages, mixed of {distinct} real sentences;", end=" ")
    show.print(f"{sum(map(len, asked.values()))} questions; load of the machine {os.getloadavg()[0]:.1f}")
    medians = [measure(place, known, asked, each) for place in places]
    ratios = [f"{b / a:.1f}" for a, b in zip(*medians, strict=True)] if len(medians) == 2 else []
    show.print(f"PostgreSQL / folder: load, merge, size, own language, all languages: {', '.join(ratios) or '-'}")


def measure(place: Place, known: Mapping[str, Sentences], asked: Questions, each: int) -> tuple[float, ...]:
    """Seconds of load and of merging, bytes, and the median seconds of a search in its language and in all."""
    filled = [fill(place, lang, each, known[lang]) for lang in known]
    load, tidy = (sum(f[n] for f in filled) for n in range(2))
    indexes = place.open()
    size = sum(indexes.index(lang).size() for lang in known)
    indexes.close()
    show.print(f"{place.name}: load {load:.1f} s, index {tidy:.1f} s, {size / 1e6:.0f} MB")
    found = search(place, asked, known)
    show.print(f"  p50 / p95: own language {percentiles(found.own)}, all languages {percentiles(found.every)}")
    show.print(f"  {next(iter(known))}: within 50 documents {percentiles(found.narrow)}", end=", ")
    show.print(f"a document of ten passages changed and found {percentiles(found.changes)}")
    show.print(f"  the asking process took {found.memory / 1e6:.0f} MB; dense recall@10 {found.recall:.3f}")
    if not place.folder:
        show.print(f"  the server's processes have {server_memory(place.address) / 1e6:.0f} MB")
    return load, tidy, size, statistics.median(found.own), statistics.median(found.every)


def server_memory(address: str) -> int:
    """Of a server on this machine: of its postmaster and all that it started."""
    with psycopg.connect(address) as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        postmaster = int((Path(folder) / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return sum(resident(pid) for pid in (postmaster, *children))


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
    passages: Annotated[int, typer.Option(min=100, help="In all languages together.")] = 20_000,
    langs: Annotated[str, typer.Option("--languages", help="Codes with commas, or all.")] = "en",
    count: Annotated[int, typer.Option("--questions", min=10, help="Of each language, at most.")] = 120,
    kills: Annotated[int, typer.Option(min=0)] = 5,
    hnsw_from: Annotated[int, typer.Option(min=1, help="Passages of a language from which it has HNSW.")] = HNSW_FROM,
    real: Annotated[list[Path] | None, typer.Option(help="Folders of indexes whose sentences are mixed.")] = None,
    keep: Annotated[Path | None, typer.Option(help="A folder that keeps the embedded indexes.")] = None,
    server: Annotated[str, typer.Option(help="The address of a server that keeps the others.")] = "",
    only: Annotated[str, typer.Option(help="folder or postgresql: measure one of the two.")] = "",
    quick: Annotated[bool, typer.Option(help="1,000 passages, 50 questions, one kill.")] = False,
) -> None:
    codes = list(languages()) if langs == "all" else langs.split(",")
    each, most = (1000, 50) if quick else (passages // len(codes) // 10 * 10, count)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        address = server or stack.enter_context(PostgresNode()).url
        places = [Place(keep or Path(folder), "", hnsw_from), Place(None, address, hnsw_from)]
        speed([p for p in places if p.name.casefold() == only or not only], codes, each, real or [], most)
    told = [lost_primary(number + 1) for number in range(1 if quick else kills)]
    acknowledged, lost = (sum(t[n] for t in told) for n in range(2))
    if told:
        show.print(f"{lost} of {acknowledged} acknowledged lost (95 %: at most {rule_of_three(acknowledged):.2%})")


if __name__ == "__main__":
    typer.run(main)
