"""python -m benchmarks.reopen [--passages 100000 | --over DIR]: how soon does the service answer after kill -9?

One language (English). Texts are sentences of the starter documents, three a passage, in documents of ten passages;
the vectors are random unit vectors, which cost a search what real ones cost. Each round a process changes one document
and is killed right after its commit, before anything derived from it is written: the worst moment. Then `mlrag serve`
starts over the same folder. Seconds count from the start of the process to the first 200 of /readyz and to the first
answer; beside them the processor seconds that the process had used by then, which say what an idle machine would need.
The last line is the index alone: open, catch up, search, in a process that has its embedder already.

With `--over` nothing is killed: the service starts over a data folder that is there, and is asked a question of our own
in each of its languages, one after the other; and the same once more, with another letter behind it, so that none is a
kept answer.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
from rich.console import Console

from benchmarks.places import resident
from eval.datasets.own import own_questions
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.load import load_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.store import Store
from mlrag.index.types import EmbeddedPassage
from mlrag.ingest.index_documents import BATCH
from mlrag.languages import language
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document, Passage

HOUSE = Path(__file__).resolve().parent.parent
LANG, QUESTION = "en", "How long is the Nile?"
_PASSAGES, _SENTENCES = 10, 3  # passages in a document, sentences in a passage


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process."""

    ready: float
    answer: float
    cpu: float


def sentences() -> list[str]:
    texts = [d.text for d in read_documents([HOUSE / "corpora" / LANG], LANG)]
    return [t[s.start : s.end] for t in texts for s in sentence_spans(t)]


def documents(count: int, chance: random.Random) -> Iterator[tuple[Document, list[EmbeddedPassage]]]:
    """Documents with random unit vectors."""
    known, noise = sentences(), np.random.default_rng(chance.randrange(2**32))
    for number in range(count):
        parts = [[*chance.sample(known, _SENTENCES), f"Note {number}-{p}."] for p in range(_PASSAGES)]
        lines = [" ".join(part) for part in parts]
        text, at, passages = "\n\n".join(lines), 0, []
        for p, line in enumerate(lines):
            spans = tuple(replace(s, start=s.start + at, end=s.end + at) for s in sentence_spans(line))
            vectors = noise.normal(size=(1 + len(spans), 384)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            passage = Passage(f"d{number}#{p}", f"d{number}", LANG, at, at + len(line), line)
            passages.append(EmbeddedPassage(passage, vectors[0], spans, vectors[1:]))
            at += len(line) + 2
        yield Document(f"d{number}", LANG, text), passages


def fill(folder: Path, count: int) -> float:
    """Store and derive; the seconds that the whole build takes."""
    embedder, store = load_embedder(), Store(folder / "index" / LANG / "store.sqlite", LANG)
    batch: list[tuple[Document, list[EmbeddedPassage]]] = []
    for item in documents(count // _PASSAGES, random.Random(0)):
        batch.append(item)
        if len(batch) == BATCH * 8:
            store.put(batch, embedder.name, embedder.engine)
            batch = []
    store.put(batch, embedder.name, embedder.engine)
    begun = time.perf_counter()
    Retriever(FolderIndexes(folder / "index"), embedder).prepare_index(LANG)
    return time.perf_counter() - begun


def killed_change(folder: Path, number: int) -> None:
    """In a process of its own: one document replaced, and no time for anything else."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    store = Store(folder / "index" / LANG / "store.sqlite", LANG)
    document, passages = next(documents(1, random.Random(number)))
    named = [
        replace(p, passage=replace(p.passage, id=f"d{number}#{i}", doc_id=f"d{number}")) for i, p in enumerate(passages)
    ]
    store.put([(replace(document, id=f"d{number}"), named)], store.embedder or "", "random")
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, float, int]]:
    """The address of a service over this folder, when its process was started, and its number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MLRAG_DATA_DIR": str(folder), "MLRAG_CORPORA": str(folder / "none")}
    command = [sys.executable, "-m", "mlrag", "serve", "--port", str(port)]
    with (folder / "log").open("ab") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}", begun, process.pid
    finally:
        process.kill()
        process.wait()


def start(folder: Path) -> Start:
    """Start the service and ask one question as soon as it is ready."""
    with server(folder) as (url, begun, pid), httpx.Client(base_url=url, timeout=300) as client:
        ready = _until_ready(client, begun)
        reply = client.get("/ask", params={"q": QUESTION, "lang": LANG}).raise_for_status().json()
        if reply["lang"] != language(LANG).code:
            raise RuntimeError(f"answered in {reply['lang']}")
        return Start(ready, time.perf_counter() - begun, cpu_seconds(pid))


def cpu_seconds(pid: int) -> float:
    """Of a process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def first_answers(folder: Path, show: Console) -> None:
    """Start over a folder that is there, and ask each of its languages twice."""
    langs = sorted(p.parent.name for p in folder.glob("index/*/store.sqlite"))
    asked = {lang: own_questions(lang)[0].question for lang in langs}
    with server(folder) as (url, begun, pid), httpx.Client(base_url=url, timeout=300) as client:
        ready = _until_ready(client, begun)
        show.print(
            f"{', '.join(langs)}: ready {ready:.2f} s, processor {cpu_seconds(pid):.2f} s, {resident(pid) / 1e6:.0f} MB"
        )
        for what in ("first", "second"):
            spent: dict[str, tuple[float, float]] = {}
            for lang, question in asked.items():
                cpu, at = cpu_seconds(pid), time.perf_counter()
                client.get("/ask", params={"q": f"{question} {what[0]}", "lang": lang}).raise_for_status()
                spent[lang] = time.perf_counter() - at, cpu_seconds(pid) - cpu
            slowest = max(spent, key=lambda lang: spent[lang])
            walls, cpus = zip(*spent.values(), strict=True)
            show.print(
                f"{what} answer in a language: median {statistics.median(walls):.2f} s (longest {max(walls):.2f}, "
                f"{slowest}), processor {statistics.median(cpus):.2f} s (most {max(cpus):.2f}); {len(langs)} "
                f"languages, {resident(pid) / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}"
            )


def _until_ready(client: httpx.Client, begun: float) -> float:
    """Seconds from the start of the process to the first 200 of /readyz."""
    while time.perf_counter() - begun < 300:
        try:
            if client.get("/readyz").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.005)
    return time.perf_counter() - begun


def alone(folder: Path, rounds: int) -> Iterator[tuple[float, float]]:
    """(wall, processor) seconds of the first search after each kill."""
    embedder = load_embedder()
    vector = np.asarray(embedder.encode_query([QUESTION])[0])
    for number in range(rounds):
        killed_change(folder, rounds + number)
        wall, cpu = time.perf_counter(), time.process_time()
        Retriever(FolderIndexes(folder / "index"), embedder).search(QUESTION, LANG, vector=vector)
        yield time.perf_counter() - wall, time.process_time() - cpu


def main(
    passages: Annotated[int, typer.Option(min=1000, help="Passages in the index.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Kills, each with one start after it.")] = 5,
    over: Annotated[Path | None, typer.Option(help="A data folder whose languages are asked instead.")] = None,
) -> None:
    """Fill, kill, start."""
    show = Console(width=160)
    if over:
        first_answers(over, show)
        return
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        built = fill(folder, passages)
        size = shutil.disk_usage(folder).used and sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        show.print(
            f"{passages} passages, {size / 1e6:.0f} MB, built whole in {built:.1f} s, load {os.getloadavg()[0]:.1f}"
        )
        for what in ("clean stop", "kill -9"):
            found = []
            for number in range(rounds):
                if what == "kill -9":
                    killed_change(folder, number)
                found.append(start(folder))
            middle = {name: statistics.median(getattr(f, name) for f in found) for name in ("ready", "answer", "cpu")}
            show.print(
                f"{what}: ready {middle['ready']:.2f} s, first answer {middle['answer']:.2f} s (longest "
                f"{max(f.answer for f in found):.2f}), processor {middle['cpu']:.2f} s; median of {rounds}, "
                f"load {os.getloadavg()[0]:.1f}"
            )
        walls, cpus = zip(*alone(folder, rounds), strict=True)
        show.print(
            f"the index alone after kill -9: {statistics.median(walls):.2f} s (longest {max(walls):.2f}), processor "
            f"{statistics.median(cpus):.2f} s; median of {rounds}"
        )


if __name__ == "__main__":
    typer.run(main)
