"""python -m benchmarks.dense [--stores DIR | --mixed N]: how large segments can be searched, on real vectors.

All passages' and sentences' vectors of every store below DIR, in all languages, and our test questions. Recall is of
the exact ten best; CPU ms a question on one thread, the exact cosines of the candidates included.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import faiss
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.speed.mixing import mixed
from eval.datasets.own import own_questions
from mlrag.factory import make_embedder
from mlrag.index.serialize import unpack_int8
from mlrag.languages import languages
from mlrag.settings import Settings
from mlrag.types import Vectors

Candidates = Callable[[Vectors, int], NDArray[np.int64]]


def vectors_below(folder: Path) -> Vectors:
    """(n, dim) of length 1, each once."""
    found: list[Vectors] = []
    for path in sorted(folder.rglob("store.sqlite")):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
            halves = [np.frombuffer(r[0], np.float16) for r in store.execute("SELECT vector FROM passages")]
            found.append(np.array(halves, np.float32).reshape(len(halves), -1))
            found.append(unpack_int8([r[0] for r in store.execute("SELECT vector FROM sentences")]))
    every = np.unique(np.concatenate([f for f in found if len(f)]).round(4), axis=0)
    return np.asarray(every / np.linalg.norm(every, axis=1, keepdims=True), np.float32)


def bits(vectors: Vectors, centre: Vectors) -> Candidates:
    index = faiss.IndexBinaryFlat(vectors.shape[1])
    index.add(np.packbits(vectors > centre, axis=1))
    return lambda q, m: index.search(np.packbits(q[None] > centre, axis=1), m)[1][0]


def of(index: faiss.Index, vectors: Vectors, probes: int = 0) -> Candidates:
    if not index.is_trained:
        index.train(vectors[::2])
    index.add(vectors)
    if probes:
        faiss.ParameterSpace().set_index_parameter(index, "nprobe", probes)
    return lambda q, m: index.search(q[None], m)[1][0]


def measure(
    candidates: Candidates, m: int, vectors: NDArray[np.float16], asked: Vectors, exact: NDArray[np.int64]
) -> str:
    hits, spent = 0, []
    for query, best in zip(asked, exact, strict=True):
        begun = time.thread_time()
        near = candidates(query, m)
        near = near[near >= 0]
        top = near[np.argsort(-(vectors[near].astype(np.float32) @ query))[:10]]
        spent.append(time.thread_time() - begun)
        hits += len(np.intersect1d(top, best))
    return f"{hits / exact.size:.4f} {1e3 * float(np.median(spent)):.2f}"


def main(
    stores: Annotated[Path, typer.Option(help="Where indexes lie.")] = Path("var"),
    synthetic: Annotated[
        int, typer.Option("--mixed", help="As many vectors mixed from real English ones instead.")
    ] = 0,
) -> None:
    """Print recall and time of each way."""
    faiss.omp_set_num_threads(1)
    vectors = mixed(synthetic).vectors if synthetic else vectors_below(stores)
    halves, mean, dim = vectors.astype(np.float16), vectors.mean(0), vectors.shape[1]
    questions = [e.question for code in (["en"] if synthetic else languages()) for e in own_questions(code)]
    asked = np.asarray(make_embedder(Settings()).encode_query(questions), np.float32)
    flat = faiss.IndexFlatIP(dim)
    flat.add(vectors)
    _, exact = flat.search(asked, 10)
    product = faiss.METRIC_INNER_PRODUCT
    around_mean, around_zero = (faiss.IndexRaBitQFastScan(dim, product) for _ in range(2))
    around_mean.train(mean[None])
    around_zero.train(np.zeros((1, dim), np.float32))
    ways: dict[str, tuple[Candidates, tuple[int, ...]]] = {
        "flat": (lambda q, m: flat.search(q[None], m)[1][0], (10,)),
        "sign bits": (bits(vectors, np.zeros(dim, np.float32)), (200, 1000)),
        "sign bits around the mean": (bits(vectors, mean), (200, 1000)),
        "RaBitQ around zero": (of(around_zero, vectors), (200,)),
        "RaBitQ around the mean": (of(around_mean, vectors), (100, 200, 300, 500, 1000)),
    }
    for probes in (32, 64, 128):
        ways[f"IVF512 RaBitQ, {probes} lists"] = (
            of(faiss.index_factory(dim, "IVF512,RaBitQfs", product), vectors, probes),
            (200,),
        )
    table = Table("way", "candidates", "recall@10", "CPU ms", title=f"{len(vectors)} vectors, {len(asked)} questions")
    for name, (candidates, counts) in ways.items():
        for m in counts:
            table.add_row(name, str(m), *measure(candidates, m, halves, asked, exact).split())
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
