"""python -m benchmarks.kill_store [--kills 500] [--quick]: does a store survive kill -9 at any moment?

A process adds, changes and deletes documents in 16 languages, in one data folder, and tells when it begins and when it
has finished each operation; this process kills it at a random moment. Another one then opens what is there and checks
that nothing acknowledged is lost, nothing whose deletion was acknowledged is back, an operation that was cut is there
wholly or not at all, every hit is verbatim in its document, and the index holds what the store holds. Three roads:

* sync: `mlrag.ingest.sync.sync` with a stand-in embedder (each text's vector is drawn from its hash: no model);
* real: the same with the bundled embedder;
* http: uploads and deletions through the service (in the killed process, without a socket), bundled embedder.

Every second round sets `WHOLE_BELOW` to 0, so that small indexes too are extended and compacted as large ones are.
Processes are forked from one that has loaded its parts, and no SQLite file is open across a fork.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from rich.console import Console

from eval.statistics import rule_of_three, wilson
from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.embedding.e5.embedder import E5
from mlrag.generation.extractive import Extractive
from mlrag.index.local import language_index
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.sync import FilesRead, sync
from mlrag.languages import languages
from mlrag.settings import Settings
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document, Vectors
from service.app import create_app

HOUSE = Path(__file__).resolve().parent.parent
KEPT = 8  # documents a language, about
_LETTERS = "bcdfghjklmnpqrstvwxz"
Texts = dict[str, dict[str, str]]  # by language: text by document id


class Hashed:
    """A stand-in for an embedder: unit vectors drawn from a text's hash. Equal texts are near, and no others."""

    name = engine = "stand-in:hashed"
    host = ""
    dim = 64

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.encode_document(texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        rows = [self._vector(text) for text in texts]
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def _vector(self, text: str) -> Vectors:
        seed = int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
        vector = np.random.default_rng(seed).normal(size=self.dim)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


@dataclass(frozen=True)
class Operation:
    """What the killed process was about. A change is a put of a known id."""

    kind: str
    lang: str
    put: dict[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()


@cache
def sentences(lang: str) -> list[str]:
    texts = [d.text for d in read_documents([HOUSE / "corpora" / lang], lang)]
    return [
        unicodedata.normalize("NFC", " ".join(t[s.start : s.end].split())) for t in texts for s in sentence_spans(t)
    ]


def text_of(lang: str, chance: random.Random) -> str:
    """Two sentences with a word of their own, by which a search must find them."""
    mark = "".join(chance.choices(_LETTERS, k=14))
    return " ".join((*chance.sample(sentences(lang), 2), mark + "."))


def mark_of(text: str) -> str:
    return text.rsplit(" ", 1)[1].rstrip(".")


def operations(texts: Texts, chance: random.Random) -> Iterator[Operation]:
    """For ever. `texts` follows what was finished."""
    while True:
        lang = chance.choice(sorted(texts))
        known = texts[lang]
        kind = chance.choice(
            ("add", "change", "delete", "clear") if len(known) > KEPT // 2 else ("add", "add", "change")
        )
        some = chance.sample(sorted(known), min(len(known), chance.randint(1, 3)))
        if kind == "clear":
            yield Operation(kind, lang, delete=tuple(chance.sample(sorted(known), len(known) // 2)))
        elif kind == "delete":
            yield Operation(kind, lang, delete=tuple(some))
        elif kind == "change" and some:
            yield Operation(kind, lang, {i: text_of(lang, chance) for i in some})
        else:
            ids = [f"{chance.randrange(10**9)}.txt" for _ in range(chance.randint(1, 3))]
            yield Operation("add", lang, {i: text_of(lang, chance) for i in ids})


def apply(texts: Texts, done: Operation) -> None:
    texts[done.lang] = {i: t for i, t in (texts[done.lang] | done.put).items() if i not in done.delete}


Do = Callable[[Operation], None]
Work = Callable[[Callable[[Do], None]], None]


def by_sync(folder: Path, embedder: Embedder) -> Work:
    """Documents are handed to `sync` as if read from files of their own."""

    def do(op: Operation) -> None:
        documents = [Document(i, op.lang, t, source=f"/docs/{op.lang}/{i}") for i, t in op.put.items()]
        read = FilesRead(documents, {d.source for d in documents})
        gone = [f"/docs/{op.lang}/{i}" for i in op.delete]
        sync(read, gone, FolderIndexes(folder / "index"), lambda: embedder, lambda _lang, _done: None)

    return lambda loop: loop(do)


def by_http(folder: Path, embedder: Embedder) -> Work:
    """One upload an operation; a deletion for each document."""
    app = create_app(Settings(data_dir=folder, corpora=folder / "none", log_level="error"), embedder=embedder)

    async def call(method: str, path: str, **more: Any) -> Any:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            reply = (await client.request(method, path, **more)).raise_for_status()
            return reply.json() if reply.content else None

    async def put(op: Operation) -> None:
        body = {"documents": [{"name": i, "text": t} for i, t in op.put.items()]}
        job = await call("POST", f"/corpora/{op.lang}/documents", json=body)
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(0.01)
            job = await call("GET", f"/jobs/{job['id']}")
        if job["status"] != "done":
            raise RuntimeError(job)

    def work(loop: Callable[[Do], None]) -> None:
        runner = asyncio.Runner()
        context = app.router.lifespan_context(app)
        runner.run(context.__aenter__())

        def do(op: Operation) -> None:
            for doc_id in op.delete:
                runner.run(call("DELETE", f"/corpora/{op.lang}/documents/{doc_id}"))
            if op.put:
                runner.run(put(op))

        loop(do)

    return work


def forked(task: Callable[[int], None]) -> tuple[int, int]:
    """(process, pipe that it writes to)."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.close(reading)
        task(writing)
        status = 0
    except BaseException:
        os.write(writing, json.dumps({"failed": traceback.format_exc()}).encode() + b"\n")
    finally:
        os._exit(status)


def told(pipe: int) -> list[dict[str, Any]]:
    with os.fdopen(pipe, "rb") as lines:
        return [json.loads(line) for line in lines if line.endswith(b"\n")]


def worker(work: Work, texts: Texts, seed: int) -> Callable[[int], None]:
    def task(pipe: int) -> None:
        def loop(do: Do) -> None:
            os.write(pipe, b'{"ready": true}\n')
            for op in operations(texts, random.Random(seed)):
                os.write(pipe, json.dumps({"begun": [op.kind, op.lang, op.put, op.delete]}).encode() + b"\n")
                do(op)
                os.write(pipe, b'{"done": true}\n')
                apply(texts, op)

        work(loop)

    return task


@dataclass
class Result:
    """`cut` counts kills by what they cut; `problems` says which checks failed."""

    kills: int = 0
    finished: int = 0
    cut: Counter[str] = field(default_factory=Counter)
    roads: Counter[str] = field(default_factory=Counter)
    halves: Counter[str] = field(default_factory=Counter)
    searches: int = 0
    citations: int = 0
    problems: list[str] = field(default_factory=list)
    failed: int = 0


def checked(
    folder: Path, embedder: Embedder, texts: Texts, cut: Operation | None, langs: Sequence[str]
) -> dict[str, Any]:
    """What is stored and found, against what must be: problems, whether the cut operation is there, counts."""
    retriever = Retriever(FolderIndexes(folder / "index"), embedder)
    pipeline = Pipeline(retriever, Extractive(shipped_calibration(embedder.name)))
    problems: list[str] = []
    searches = citations = 0
    there, left = False, dict(texts[cut.lang]) if cut else {}
    for lang in langs:
        if not (folder / "index" / lang / "store.sqlite").is_file():
            problems += [f"{lang}: no store"] if texts[lang] else []
            continue
        index = retriever.index(lang)
        with sqlite3.connect(index.store.path) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
        problems += [f"{lang}: {said}"] if said != "ok" else []
        stored = {s.id: index.store.document(s.id) for s in index.store.list_sources()}
        found = {i: d.text for i, d in stored.items() if d}
        expected = dict(texts[lang])
        if cut and cut.lang == lang:
            left, there = found, found != expected
            expected = finished_in_part(expected, found, cut)
        if found != expected:
            problems.append(f"{lang}: stored {sorted(found)} but acknowledged {sorted(expected)}; cut: {cut}")
        derived = index.refresh()
        held = np.delete(derived.rows, derived.gone)
        if not np.array_equal(held, index.store.rows()) or not (
            len(derived.dense) == len(derived.lexical) == len(held)
        ):
            problems.append(f"{lang}: the index holds {held}, the store {index.store.rows()}")
        _, vectors = index.store.vectors()
        positions = np.flatnonzero(~np.isin(np.arange(len(derived.rows)), derived.gone))
        for position, vector in zip(positions, vectors, strict=True):
            cosine = float(derived.dense.score(vector, np.array([position]))[0])
            if abs(cosine - float(vector @ vector)) > 1e-3:
                problems.append(f"{lang}: another vector stands at position {position}")
        for doc_id, text in found.items():
            evidence = retriever.search(mark_of(text), lang, k=50)
            searches += 1
            if doc_id not in {h.passage.doc_id for h in evidence.hits}:
                problems.append(f"{lang}: {doc_id} is stored and not found")
            for hit in evidence.hits:
                p = hit.passage
                if found.get(p.doc_id, "")[p.start : p.end] != p.text:
                    problems.append(f"{lang}: a hit that is not in its document: {p}")
        if found:
            answer = pipeline.ask(random.Random(0).choice(sorted(found.values())).split(". ")[0][:200], lang)
            for c in answer.citations:
                citations += 1
                if found.get(c.doc_id, "")[c.start : c.end] != c.quote:
                    problems.append(f"{lang}: a citation that is not in its document: {c}")
    return {"problems": problems, "there": there, "stored": left, "searches": searches, "citations": citations}


def finished_in_part(before: dict[str, str], found: dict[str, str], cut: Operation) -> dict[str, str]:
    """What may be stored after this operation was cut: each document of it as before or as after.

    Puts of one operation are one transaction, all or none; over HTTP each deletion is a request of its own.
    """
    gone = [i for i in cut.delete if i not in found]
    after = {i: t for i, t in before.items() if i not in gone}
    return after | cut.put if cut.put and any(found.get(i) == t for i, t in cut.put.items()) else after


def kill_once(work: Work, texts: Texts, seed: int, most: float, result: Result) -> Operation | None:
    """Start, wait, kill; `texts` follows what was acknowledged. The operation that was cut."""
    process, pipe = forked(worker(work, texts, seed))
    select.select([pipe], [], [], 120)  # its first line: it is at work
    time.sleep(random.Random(seed).uniform(0, most))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    begun: Operation | None = None
    for line in told(pipe):
        if "failed" in line:
            result.problems.append(line["failed"])
        elif "begun" in line:
            kind, lang, put, delete = line["begun"]
            begun = Operation(kind, lang, put, tuple(delete))
        elif "done" in line and begun:
            apply(texts, begun)
            result.finished += 1
            begun = None
    return begun


def measure(
    folder: Path, kills: dict[str, int], most: float, seed: int = 0, codes: Sequence[str] | None = None
) -> Result:
    """Kill so often on each road. `most`: seconds after which it is killed at the latest; `codes`: languages."""
    result = Result()
    for road, count in kills.items():
        embedder: Embedder = Hashed() if road == "sync" else E5(workers=1)
        place = folder / road
        work = (by_http if road == "http" else by_sync)(place, embedder)
        texts = filled(place, embedder, codes or sorted(languages()), random.Random(seed))
        for number in range(count):
            language_index.WHOLE_BELOW = 0 if number % 2 else 500
            before = len(result.problems)
            cut = kill_once(work, texts, seed + number, most, result)
            langs = sorted(texts) if number % 10 == 9 or number == count - 1 else [cut.lang] if cut else []
            check(place, embedder, texts, cut, langs, result)
            result.kills += 1
            result.roads[road] += 1
            result.cut[cut.kind if cut else "between"] += 1
            result.failed += len(result.problems) > before
    return result


def filled(folder: Path, embedder: Embedder, codes: Sequence[str], chance: random.Random) -> Texts:
    """The documents that there are before the first kill."""
    texts: Texts = {lang: {f"{n}.txt": text_of(lang, chance) for n in range(KEPT // 2 + 2)} for lang in codes}

    def task(_pipe: int) -> None:
        for lang, own in texts.items():
            by_sync(folder, embedder)(lambda do, op=Operation("add", lang, own): do(op))  # type: ignore[misc]

    process, pipe = forked(task)
    if told(pipe) or os.waitpid(process, 0)[1]:
        raise RuntimeError("the documents to begin with could not be stored")
    return texts


def check(
    folder: Path, embedder: Embedder, texts: Texts, cut: Operation | None, langs: Sequence[str], result: Result
) -> None:
    """In a process of its own; `texts` follows what the cut operation came to."""

    def task(pipe: int) -> None:
        os.write(pipe, json.dumps(checked(folder, embedder, texts, cut, langs)).encode() + b"\n")

    process, pipe = forked(task)
    (line,) = told(pipe)
    os.waitpid(process, 0)
    if "failed" in line:
        result.problems.append(line["failed"])
        return
    result.problems += line["problems"]
    result.searches += line["searches"]
    result.citations += line["citations"]
    result.halves["there" if line["there"] else "not there"] += bool(cut)
    if cut:
        texts[cut.lang] = line["stored"]


def main(
    kills: Annotated[int, typer.Option(min=10, help="How many kill -9, a fifth of them with the real embedder.")] = 500,
    most: Annotated[float, typer.Option(help="Seconds after which it is killed at the latest.")] = 1.5,
    seed: Annotated[int, typer.Option(help="Of the random moments.")] = 0,
    quick: Annotated[bool, typer.Option(help="20 kills.")] = False,
) -> None:
    """Kill, open, check."""
    kills, begun = 20 if quick else kills, time.monotonic()
    roads = {"sync": kills - 2 * (kills // 10), "real": kills // 10, "http": kills // 10}
    with tempfile.TemporaryDirectory() as work:
        found = measure(Path(work), roads, most, seed)
    show = Console(width=120)
    good = found.kills - found.failed
    interval = wilson(good / found.kills, found.kills)
    show.print(f"{found.kills} kills {dict(found.roads)}, {found.finished} operations finished, cut: {dict(found.cut)}")
    show.print(f"cut operations: {dict(found.halves)}; {found.searches} searches, {found.citations} citations checked")
    show.print(
        f"{found.failed} kills with a problem; sound {good / found.kills:.1%} "
        f"[{interval.low:.2%}, {interval.high:.2%}]; at most {rule_of_three(found.kills):.2%} if none was seen"
    )
    show.print(f"{time.monotonic() - begun:.0f} s, load {os.getloadavg()[0]:.1f}")
    for problem in list(dict.fromkeys(found.problems))[:5]:
        show.print(problem, markup=False)
    raise typer.Exit(1 if found.failed else 0)


if __name__ == "__main__":
    typer.run(main)
