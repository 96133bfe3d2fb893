"""What an ingest of mixed passages (`mixing`) costs beyond the embedder: store, dense and lexical index."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import tantivy

from benchmarks.reopen import HOUSE
from benchmarks.speed.corpus import LANG, documents, embedder, put, questions
from benchmarks.speed.measure import Found, Goal, Growth, Plan, Row, Timed, by_turns, middle, percentile, took
from benchmarks.speed.peers import NAMES, TXTAI, Peer, RawFaiss, start, write_inputs
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.index.local.dense import DenseIndex
from mlrag.index.local.files import checksum
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.lexical import LexicalIndex, _schema
from mlrag.index.local.segment import SAMPLE
from mlrag.index.local.store import Store
from mlrag.ingest.index_documents import EmbeddedDocument
from mlrag.text import tokens as text_tokens
from mlrag.text.tokens import tokens
from mlrag.types import Vectors


def _bare(items: Sequence[EmbeddedDocument]) -> list[EmbeddedDocument]:
    """Without sentence vectors, which no peer has."""
    none = np.zeros((0, 384), np.float32)
    return [(d, [replace(p, sentences=(), sentence_vectors=none) for p in ps]) for d, ps in items]


def _raw_tantivy(lines: Sequence[str], folder: Path) -> None:
    """The same tokens, made before: what Tantivy alone costs."""
    folder.mkdir(parents=True)
    index = tantivy.Index(_schema(), str(folder))
    writer = index.writer(50_000_000, 1)
    for position, line in enumerate(lines):
        entry = tantivy.Document()
        entry.add_unsigned("position", position)
        entry.add_text("tokens", line)
        writer.add_document(entry)
    writer.commit()
    writer.wait_merging_threads()


class Bench:
    """The same passages for everybody."""

    def __init__(self, passages: int, work: Path) -> None:
        self.items = list(documents(passages // 10))
        self.bare = _bare(self.items)
        self.texts = [p.passage.indexed_text for _, ps in self.items for p in ps]
        self.vectors: Vectors = np.array([p.vector for _, ps in self.items for p in ps], np.float32)
        self._work = work

    def cost(self, work: Callable[[Path], object], before: Callable[[Path], object] = lambda _folder: None) -> float:
        """CPU seconds a passage, in a folder of its own; `before` is not counted."""
        folder = Path(tempfile.mkdtemp(dir=self._work))
        try:
            before(folder)
            return took(lambda: work(folder), len(self.texts))
        finally:
            shutil.rmtree(folder)

    def works(self) -> dict[str, Callable[[], float]]:
        lines = [" ".join(tokens(t)) for t in self.texts]
        faiss = RawFaiss(self.texts, self.vectors)
        legs = {"lexical": lambda f: LexicalIndex.build(self.texts, f / "lexical")}
        stores = {"store": lambda f: put(f, self.bare), "with sentences": lambda f: put(f, self.items)}
        raw = {"raw faiss": lambda _f: faiss.index(), "raw tantivy": lambda f: _raw_tantivy(lines, f / "raw")}
        alone = {"tokens": lambda _f: [tokens(t) for t in self.texts]}
        stored = {"derived": derive, "dense": dense}
        both = {name: lambda w=w: self.cost(w, lambda f: put(f, self.bare)) for name, w in stored.items()}
        return both | {name: lambda w=w: self.cost(w) for name, w in (stores | legs | raw | alone).items()}


def derive(folder: Path) -> None:
    """Both legs from the store, with their checksums, opened."""
    Retriever(FolderIndexes(folder / "index"), embedder()).index(LANG).refresh()


def dense(folder: Path) -> None:
    """The dense leg from the store, with its checksums, opened."""
    store, files = Store(folder / "index" / LANG / "store.sqlite", LANG), folder / "dense"
    files.mkdir()
    DenseIndex.build(store.vectors()[1], files, lambda: store.sentence_vectors(SAMPLE))
    for path in files.iterdir():
        checksum(path)
    DenseIndex(files, np.zeros(0, np.int64))


def _rows(cost: dict[str, Timed], n: int, missing: Mapping[str, str]) -> list[Row]:
    """`missing`: why a peer was not measured."""
    us = {name: 1e6 * t.best for name, t in cost.items()}
    less = us["store"] + us["dense"]
    whole = us["with sentences"] + us["derived"]

    def row(what: str, ours: float, of: str, **more: object) -> Row:
        return Row("index", what, "us/passage", ours, n, cost[of].spread, **more)  # type: ignore[arg-type]

    def beside(name: str) -> Row:
        theirs = us.get(name)
        return row(
            "text, ids and dense index of mixed passages, committed to SQLite and files",
            less,
            "store",
            peer=theirs,
            peer_name=NAMES[name],
            ratio=less / theirs if theirs else None,
            goal=Goal("ratio", "<=", 1.0),
            limit=us["raw faiss"],
            limit_name="raw FAISS in memory",
            note=missing.get(name, ""),
        )

    return [
        *map(beside, TXTAI),
        row(
            "the dense index of it, read from SQLite", us["dense"], "dense", peer=us["raw faiss"], peer_name="raw FAISS"
        ),
        row("four sentences and their vectors more", us["with sentences"] - us["store"], "with sentences"),
        row(
            "the lexical leg beyond tokenising",
            us["lexical"] - us["tokens"],
            "lexical",
            peer=us["raw tantivy"],
            peer_name="raw Tantivy, same tokens made before",
            ratio=(us["lexical"] - us["tokens"]) / us["raw tantivy"],
            goal=Goal("ratio", "<=", 1.2),
        ),
        row(
            "the lexical leg, tokenising included",
            us["lexical"],
            "lexical",
            goal=Goal("ours", "<=", 110),
            limit=us["tokens"],
            limit_name="tokenising alone",
        ),
        row("all of it", whole, "lexical", note="most words known from before: see the rows on real text"),
    ]


def _real_text(plan: Plan) -> list[Row]:
    """Tokenising the starter documents once, nothing known before."""
    rows = []
    for lang in ("en", "ta", "zh", "ar"):
        texts = [d.text for d in read_documents([HOUSE / "corpora" / lang], lang)]
        characters = sum(map(len, texts))

        def once(texts: list[str] = texts) -> None:
            text_tokens._known.cache_clear()
            for text in texts:
                tokens(text)

        cost = by_turns({"ours": lambda n=characters, once=once: took(once, n)}, plan.rounds + 2)["ours"]
        what = f"tokenising {characters} characters of {lang} documents, no word known before"
        rows.append(Row("index", what, "us/1000 characters", 1e9 * cost.best, len(texts), cost.spread))
    return rows


def _peer_rows(bench: Bench, plan: Plan, work: Path) -> list[Row]:
    asked = questions()[: 10 if plan.quick else 60]
    queries = embedder().encode_query(asked)
    with peers(bench, asked, queries, work, NAMES) as (running, missing):
        return [*_against(bench, plan, running, asked, queries, work), *(_absent(m, why) for m, why in missing.items())]


@contextmanager
def peers(
    bench: Bench, asked: Sequence[str], queries: Vectors, work: Path, names: Iterable[str]
) -> Iterator[tuple[dict[str, Peer], dict[str, str]]]:
    """Those that there are, over the bench's passages, and why the others are not."""
    folder = Path(tempfile.mkdtemp(dir=work))
    write_inputs(folder, bench.texts, bench.vectors, asked, queries)
    running, missing = start(folder, names)
    try:
        yield running, missing
    finally:
        for peer in running.values():
            peer.close()
        shutil.rmtree(folder)


def _absent(name: str, why: str) -> Row:
    return Row("peers", f"index beside {NAMES[name]}", "us/passage", None, 0, peer_name=NAMES[name], note=why)


def _against(
    bench: Bench, plan: Plan, running: dict[str, Peer], asked: Sequence[str], queries: Vectors, work: Path
) -> list[Row]:
    ours = {"ours": lambda: bench.cost(lambda f: _ours(bench, f))}
    cost = by_turns(ours | {name: peer.index for name, peer in running.items()}, plan.rounds)
    folder = work / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    put(folder, bench.items)
    retriever = Retriever(FolderIndexes(folder / "index"), embedder())
    retriever.prepare_index(LANG)
    faiss = RawFaiss(bench.texts, bench.vectors)
    faiss.index()
    times: dict[str, list[float]] = {}
    for _ in range(plan.rounds):
        pairs = list(zip(asked, queries, strict=True))
        found = {"ours": [took(lambda q=q, v=v: retriever.search(q, LANG, k=10, vector=v)) for q, v in pairs]}
        found["raw FAISS"] = [took(lambda v=v: faiss.query(v)) for _, v in pairs]
        found |= {name: peer.query() for name, peer in running.items()}
        for name, values in found.items():
            times[name] = min(times.get(name, values), values, key=middle)
    n, rows = len(bench.texts), []
    for name, peer in running.items():
        mine, theirs = 1e6 * cost["ours"].best, 1e6 * cost[name].best
        rows.append(
            Row(
                "peers",
                "index: store, sentences, both legs",
                "us/passage",
                mine,
                n,
                cost["ours"].spread,
                theirs,
                NAMES[name],
                ratio=mine / theirs,
                note=f"{peer.versions}; {peer.bytes_a_passage:.0f} B of memory a passage",
            )
        )
    for name in [*running, "raw FAISS"]:
        mine, theirs = 1000 * middle(times["ours"]), 1000 * middle(times[name])
        rows.append(
            Row(
                "peers",
                "search: hybrid with sentences (theirs: dense alone), p50",
                "ms",
                mine,
                len(asked),
                1.0,
                theirs,
                NAMES.get(name, name),
                ratio=mine / theirs,
                note=f"p99 ours {1000 * percentile(times['ours'], 0.99):.2f}, "
                f"theirs {1000 * percentile(times[name], 0.99):.2f}; {n} mixed passages",
            )
        )
    return rows


def _ours(bench: Bench, folder: Path) -> None:
    put(folder, bench.items)
    derive(folder)


def _growth(plan: Plan, work: Path) -> Growth:
    points: dict[str, list[tuple[float, float]]] = {"store and both legs": [], "raw Tantivy": [], "raw FAISS": []}
    for size in plan.sizes if plan.quick else (1_000, 5_000, 20_000):
        bench = Bench(size, work)
        works = bench.works()
        points["store and both legs"].append((size, 1e6 * bench.cost(lambda f, b=bench: _ours(b, f))))
        points["raw Tantivy"].append((size, 1e6 * works["raw tantivy"]()))
        points["raw FAISS"].append((size, 1e6 * works["raw faiss"]()))
    return Growth("index", "Indexing a passage", "passages", "CPU-us a passage", points)


def measure(plan: Plan) -> Found:
    """The index's parts, one by one."""
    work = plan.work / "scratch"
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(2_000 if plan.quick else 20_000, work)
    with peers(bench, [], np.zeros((0, 384), np.float32), work, TXTAI) as (running, missing):
        works = bench.works() | {name: peer.index for name, peer in running.items()}
        rows = _rows(by_turns(works, plan.rounds), len(bench.texts), missing)
    return Found([*rows, *_real_text(plan)], _growth(plan, work))


def measure_peers(plan: Plan) -> Found:
    """Ours and the peers' by turns."""
    work = plan.work / "scratch"
    work.mkdir(parents=True, exist_ok=True)
    return Found(_peer_rows(Bench(2_000 if plan.quick else 20_000, work), plan, work))
