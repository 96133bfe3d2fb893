"""python -m benchmarks.ray_scaling [--quick]: indexing with one and two Ray workers on one machine with two cores.

The starter documents are embedded in one process on one thread, then by one and by two workers of a Ray cluster (a node
with one CPU each, in a network namespace of their own, so that nothing leaves the machine), in turns; the best round of
each counts. Everything between the first stored batch and the last is steady: neither the start of the workers nor what
is built at the end. Wall seconds are the point, so the load is printed; CPU does not depend on it:

* CPU of the workers and of the driver (taking results, storing) for one steady document;
* the driver's limit: how many workers keep one driver busy.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mlrag.documents.readers import read_documents
from mlrag.embedding.e5.embedder import E5
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import stores
from mlrag.index.serialize import checksum
from mlrag.ingest.index_documents import EmbeddedDocument, embed_documents, index_documents
from mlrag.ingest.on_ray import Batch, EmbedderFactory
from mlrag.languages import languages
from mlrag.ray_cluster import connect, fan_out
from mlrag.settings import Settings
from mlrag.types import Document

ALONE = "one process"


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a worker made of a batch, and the CPU seconds that its process had used by then."""

    parts: list[EmbeddedDocument]
    pid: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Timed(EmbedderFactory):
    """Embeds as a worker of `mlrag index` does, and tells its CPU seconds."""

    def __call__(self) -> Callable[[Batch], Any]:
        work = EmbedderFactory(self.settings, self.name, self.engine)()
        return lambda batch: Embedded(work(batch), os.getpid(), time.process_time())


@dataclass(frozen=True, slots=True)
class Moment:
    """A batch is stored: wall and CPU seconds of the driver, and of the worker that made it."""

    wall: float
    driver: float
    documents: int
    pid: int
    worker: float


@dataclass(frozen=True, slots=True)
class Turn:
    """`start`, `tail`: seconds before the first batch and after the last; per document: wall, driver and worker CPU."""

    wall: float
    start: float
    tail: float
    steady: float
    driver: float
    worker: float
    content: str


Way = Callable[[Sequence[Batch]], Iterator[tuple[Batch, Embedded]]]


def alone(embedder: E5) -> Way:
    return lambda some: ((b, Embedded(embed_documents(b, embedder), os.getpid(), 0.0)) for b in some)


def on_workers(embedder: E5, count: int) -> Way:
    making = Timed(Settings(), embedder.name, embedder.engine)

    def embed(some: Sequence[Batch]) -> Iterator[tuple[Batch, Embedded]]:
        for done in fan_out(some, making, count=count):
            if done.result is None:
                raise RuntimeError(done.problem)
            yield done.item, done.result

    return embed


def turn(documents: Sequence[Document], embedder: E5, way: Way) -> Turn:
    moments: list[Moment] = []

    def embed(some: Sequence[Batch]) -> Iterator[tuple[Batch, list[EmbeddedDocument]]]:
        for batch, made in way(some):
            yield batch, made.parts  # stored by the time that this goes on
            moments.append(Moment(time.perf_counter(), time.process_time(), len(batch), made.pid, made.cpu))

    with tempfile.TemporaryDirectory() as name:
        begun = time.perf_counter()
        index_documents(documents, FolderIndexes(Path(name)), embedder, embed=embed)
        ended = time.perf_counter()
        found = stores(FolderIndexes(Path(name)))
        content = "".join(checksum(s.pack_documents(sorted(d.id for d in s.list_sources()))) for s in found.values())
    first, last = moments[0], moments[-1]
    steady = sum(m.documents for m in moments[1:])
    return Turn(
        ended - begun,
        first.wall - begun,
        ended - last.wall,
        (last.wall - first.wall) / steady,
        (last.driver - first.driver) / steady,
        worker_cpu(moments),
        content,
    )


def worker_cpu(moments: Sequence[Moment]) -> float:
    """CPU seconds for a document, without each worker's first batch."""
    seconds, documents = 0.0, 0
    for pid in {m.pid for m in moments}:
        own = [m for m in moments if m.pid == pid]
        seconds += own[-1].worker - own[0].worker
        documents += sum(m.documents for m in own[1:])
    return seconds / documents


def measure(rounds: int, per_lang: int) -> dict[str, list[Turn]]:
    cluster_utils: Any = importlib.import_module("ray.cluster_utils")
    corpora = Settings().corpora
    documents = [d for code in languages() for d in list(read_documents([corpora / code], code))[:per_lang]]
    memory = {"object_store_memory": 200 * 2**20}
    cluster = cluster_utils.Cluster(
        initialize_head=True, connect=False, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, **memory)
    embedder = E5(1)
    ways = {ALONE: alone(embedder)}
    ways |= {f"Ray, {n} worker{'s' * (n > 1)}": on_workers(embedder, n) for n in (1, 2)}
    turns: dict[str, list[Turn]] = {way: [] for way in ways}
    with connect(cluster.address, Settings()):
        for _ in range(rounds):
            for way, work in ways.items():
                turns[way].append(turn(documents, embedder, work))
    cluster.shutdown()
    return turns


def show(turns: dict[str, list[Turn]], documents: int, out: Console) -> None:
    table = Table("", "wall s", "start s", "after the last s", "documents/s", "driver CPU-ms", "worker CPU-ms")
    best = {way: min(all_, key=lambda t: t.steady) for way, all_ in turns.items()}
    for way, t in best.items():
        cpu = min(x.driver for x in turns[way]), min(x.worker for x in turns[way])
        figures = (t.wall, t.start, t.tail, 1 / t.steady, *(1000 * c for c in cpu))
        table.add_row(way, *(f"{f:.1f}" for f in figures))
    out.print(table)
    process, one, two = best.values()
    spent = [min(t.driver + t.worker for t in all_) for all_ in turns.values()]
    driver, worker = (min(getattr(t, name) for t in turns["Ray, 2 workers"]) for name in ("driver", "worker"))
    speedup = one.steady / two.steady
    out.print(f"speed-up from 1 to 2 workers: {speedup:.2f}, efficiency {speedup / 2:.0%}")
    out.print(f"1 worker against one process: {process.steady / one.steady:.2f}")
    shares = [f"{spent[0] / of:.0%}" for of in spent[1:]]
    out.print(f"CPU of one process for a document, of that on the cluster: {shares[0]} (1 worker), {shares[1]} (2)")
    out.print(f"driver's limit: {worker / driver:.0f} workers keep it busy")
    same = len({t.content for all_ in turns.values() for t in all_}) == 1
    out.print("every store holds the same bytes" if same else "FAILED: the stores differ")
    out.print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {documents} documents")
    raise typer.Exit(0 if same else 1)


def main(
    quick: Annotated[bool, typer.Option(help="One round over 6 documents a language.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each way.")] = 3,
) -> None:
    """Measure, in a network namespace where there is the right to make one."""
    if os.environ.get("MLRAG_ALONE") != "1" and os.getuid() == 0 and shutil.which("unshare") and shutil.which("ip"):
        inside = 'ip link set lo up && exec "$0" -m benchmarks.ray_scaling "$@"'
        os.environ["MLRAG_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", inside, sys.executable, *sys.argv[1:]])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    each = 6 if quick else 24
    turns = measure(1 if quick else rounds, each)
    show(turns, each * len(languages()), Console(width=140))


if __name__ == "__main__":
    from benchmarks.ray_scaling import main as run  # workers find what they run by its module's name

    typer.run(run)
