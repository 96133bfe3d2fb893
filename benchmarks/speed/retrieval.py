"""A hybrid search and a whole extractive answer, in this process, the question's vector made before."""

from __future__ import annotations

import time
from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.corpus import LANG, Corpus, Remembering, corpus, embedder, questions
from benchmarks.speed.measure import (
    MILLION,
    Found,
    Goal,
    Growth,
    Plan,
    Row,
    each,
    middle,
    percentile,
    read_speed,
)
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.factory import make_pipeline
from mlrag.index.cosine_stats import blocks
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.segment import SearchMethod
from mlrag.settings import Settings

_ASKED = 100
_POOL, _BEST = 100, 10  # passages that a leg gives to the pool; of them, those that recall is of
_STEPS = {
    "store": "documents, sentences and vectors into the store, once",
    "vectors": "reading the vectors from it",
    "dense": "building the dense index, once",
    "lexical": "building the lexical index, reading its texts included, once",
}


def _asked(plan: Plan) -> list[str]:
    return questions()[: 10 if plan.quick else _ASKED]


def _rounds(plan: Plan, work: Callable[[str], object], asked: list[str]) -> list[list[float]]:
    """Thread seconds of every question in every round, after one that warms caches of files."""
    each(work, asked)
    return [each(work, asked) for _ in range(plan.rounds)]


def _row(part: str, what: str, rounds: list[list[float]], goal: Goal | None, **more: object) -> Row:
    medians = [middle(r) for r in rounds]
    spread = max(medians) / min(medians)
    return Row(part, what, "ms", 1000 * min(medians), len(rounds[0]), spread, goal=goal, **more)  # type: ignore[arg-type]


def _tail(part: str, what: str, rounds: list[list[float]]) -> Row:
    """The p99 of each question's best, so that what another process does to one call is not taken for ours."""
    best = [min(values) for values in zip(*rounds, strict=True)]
    high, low = 1000 * percentile(best, 0.99), 1000 * percentile(best, 0.5)
    return Row(
        part,
        what,
        "ms",
        high,
        len(best),
        peer=low,
        peer_name="p50",
        ratio=high / low,
        goal=Goal("ratio", "<=", 1.6),
        note="each question's best round",
    )


def searcher(retriever: Retriever, asked: list[str]) -> Callable[[str], object]:
    vectors = {q: retriever.embed(q) for q in asked}
    return lambda q: retriever.search(q, LANG, vector=vectors[q])


def measure(plan: Plan) -> Found:
    """Hybrid search along the sizes; of the large ones the legs, recall, and what building took."""
    asked, points = _asked(plan), []
    rows: list[Row] = []
    for size in plan.searched:
        held = corpus(plan.work, size)
        retriever = held.retriever()
        rounds = _rounds(plan, searcher(retriever, asked), asked)
        points.append((size, 1000 * min(map(middle, rounds))))
        if size >= plan.passages:
            rows += [
                *_whole(held, rounds, plan),
                *_first(held, asked),
                *_legs(held, retriever, asked, plan),
                *_building(held),
            ]
    return Found(rows, Growth("retrieve", "A hybrid search", "passages", "CPU-ms, p50", {"mlrag": points}))


def _whole(held: Corpus, rounds: list[list[float]], plan: Plan) -> list[Row]:
    scan = 1000 * 4 * embedder().dim * held.passages / read_speed()
    name = f"{held.passages} passages (mixed from real sentences), hybrid with sentences and guard"
    goal = Goal("ours", "<=", 1.2 if held.passages == plan.passages else 3)
    limit = {"limit": scan, "limit_name": "reading every float32 vector once"}
    return [_row("retrieve", f"{name}, p50", rounds, goal, **limit), _tail("retrieve", f"{name}, p99", rounds)]


def _first(held: Corpus, asked: list[str]) -> list[Row]:
    """Each question once, by a retriever that was asked nothing before: titles that look like orders have no vector
    yet. Word forms, tokens and files are known, as in a service that has run for a while."""
    retriever = held.retriever()
    retriever.prepare_index(LANG)
    rounds = [each(searcher(retriever, asked), asked)]
    high = 1000 * percentile(rounds[0], 0.99)
    return [
        _row("retrieve", f"{held.passages}: each question for the first time, p50", rounds, None),
        Row("retrieve", f"{held.passages}: each question for the first time, p99", "ms", high, len(asked)),
    ]


def _legs(held: Corpus, retriever: Retriever, asked: list[str], plan: Plan) -> list[Row]:
    """Each leg alone, as parts of the whole; the dense one by turns with an exact search, and what of it it finds."""
    derived = retriever.index(LANG).refresh()
    vectors = {q: retriever.embed(q) for q in asked}
    terms = {q: derived.lexical.idf(q) for q in asked}
    flat = _flat(retriever)

    def dense(question: str) -> NDArray[np.int64]:
        return derived.dense.search(vectors[question], _POOL)[0][:_BEST]

    def exact(question: str) -> NDArray[np.int64]:
        found: NDArray[np.int64] = flat.search(vectors[question][None], _BEST)[1][0]
        return found

    recall = sum(len(np.intersect1d(dense(q), exact(q))) for q in asked) / _BEST / len(asked)
    turns = [(each(dense, asked), each(exact, asked)) for _ in range(plan.rounds)]
    lexical = _rounds(plan, lambda q: derived.lexical.search(terms[q], _POOL), asked)
    ours, theirs = (1000 * min(middle(t[side]) for t in turns) for side in (0, 1))
    n = held.passages
    return [
        _row(
            "retrieve",
            f"{n}: the dense leg of it, p50",
            [t[0] for t in turns],
            None if n == plan.passages else Goal("ratio", "<=", 0.08),
            peer=theirs,
            peer_name="IndexFlatIP, by turns",
            ratio=ours / theirs,
            note="; ".join(map(_told, derived.dense.search_methods)),
        ),
        Row(
            "retrieve",
            f"{n}: recall@{_BEST} of the dense leg, of exact search",
            "",
            recall,
            len(asked),
            goal=Goal("ours", ">=", 0.99),
        ),
        _row("retrieve", f"{n}: the lexical leg of it, p50", lexical, None),
    ]


def _flat(retriever: Retriever) -> faiss.IndexFlatIP:
    """The stored vectors in float32, searched one by one."""
    faiss.omp_set_num_threads(1)
    _, halves = retriever.stores()[LANG].vectors()
    flat = faiss.IndexFlatIP(halves.shape[1])
    for block in blocks(halves):
        flat.add(block)
    return flat


def _told(method: SearchMethod) -> str:
    lists = f", {method.probes} lists" if method.probes else ""
    return f"{method.name}{lists}{f', {method.candidates} candidates' if method.candidates else ''}"


def _building(held: Corpus) -> list[Row]:
    """What making the corpus took, of steps that were watched."""
    rows = []
    for step, what in _STEPS.items():
        if step in held.built:
            goal = Goal("ours", "<=", 60) if step == "dense" and held.passages == MILLION else None
            spent = held.built[step]
            rows.append(Row("retrieve", f"{held.passages}: {what}", "CPU-s", spent, held.passages, goal=goal))
    return rows


def pipeline(held: Corpus, remember: bool) -> Pipeline:
    """Extractive, as shipped; `remember`: questions are embedded once."""
    settings = Settings(data_dir=held.folder, variant="extractive")
    encoder = Remembering(embedder()) if remember else embedder()
    return make_pipeline(settings, Retriever(FolderIndexes(settings.index_dir), encoder))


def measure_answer(plan: Plan) -> Found:
    """The whole of an extractive answer, and what of it is beyond sentence scoring."""
    asked, held = _asked(plan), corpus(plan.work, plan.passages)
    cached, whole = pipeline(held, remember=True), pipeline(held, remember=False)
    scored: list[float] = []
    generate = cached.generator.generate

    class Watched:
        """The generator, its CPU seconds noted."""

        name = cached.generator.name

        def generate(self, request):  # type: ignore[no-untyped-def]
            begun = time.thread_time()
            try:
                return generate(request)
            finally:
                scored.append(time.thread_time() - begun)

    cached.generator = Watched()
    beyond = _beyond(cached, asked, scored, plan)
    answers = _rounds(plan, lambda q: whole.ask(q), asked)
    told = sum(not cached.ask(q).abstained for q in asked)
    note = f"{told} of {len(asked)} answered"
    rows = [
        _row("answer", "/ask beyond sentence scoring, cached embedding", beyond[0], Goal("ours", "<=", 1.2), note=note),
        _row("answer", "sentence scoring of it", beyond[1], None),
        _row("answer", "an extractive answer whole, embedding included", answers, Goal("ours", "<=", 25), note=note),
        _tail("answer", "an extractive answer whole, p99", answers),
    ]
    points = []
    for size in plan.searched:
        small = pipeline(corpus(plan.work, size), remember=True)
        points.append((size, 1000 * min(map(middle, _rounds(plan, lambda q, p=small: p.ask(q), asked)))))
    return Found(rows, Growth("answer", "An answer, cached embedding", "passages", "CPU-ms, p50", {"mlrag": points}))


def _beyond(
    ask: Pipeline, asked: list[str], scored: list[float], plan: Plan
) -> tuple[list[list[float]], list[list[float]]]:
    """By round and question: seconds outside the generator, and inside."""

    def one(question: str) -> tuple[float, float]:
        scored.clear()
        begun = time.thread_time()
        ask.ask(question)
        spent = time.thread_time() - begun
        return spent - sum(scored), sum(scored)

    for q in asked:
        one(q)
    rounds = [[one(q) for q in asked] for _ in range(plan.rounds)]
    return [[o for o, _ in r] for r in rounds], [[i for _, i in r] for r in rounds]


def steps(plan: Plan) -> dict[str, float]:
    """Median wall milliseconds of each step of an answer."""
    asked, held = _asked(plan), corpus(plan.work, plan.passages)
    ask = pipeline(held, remember=False)
    timings = [ask.ask(q).timings for q in asked]
    return {name: 1000 * middle([t.get(name, 0.0) for t in timings]) for name in timings[0]}
