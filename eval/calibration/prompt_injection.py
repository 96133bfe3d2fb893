"""python -m eval.calibration.prompt_injection: learn what an order to the reader of a passage looks like.

Positives: the calibration orders of eval/data/hostile in all languages, each with several canaries, beside questions
of the calibration topics. Negatives: every sentence of the starter documents, far from and beside such questions, the
packs' samples, and harmless imperatives. Half of the mass each. The threshold is set, and what is withheld is
counted, on phrasings and topics that the weights have not seen (four folds). The test orders are never seen.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from eval.calibration.abstention import Floats, logistic
from eval.datasets.hostile import read_hostile
from eval.datasets.own import own_questions
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.factory import make_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import DocumentStore, SearchQuery
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import languages
from mlrag.safety.prompt_injection import FARTHEST, NEAREST, PATH, count_cues
from mlrag.settings import Settings
from mlrag.text.sentences import sentence_spans
from mlrag.types import Vectors

CANARIES = ("KX-4417", "7203", "QZRT9", "BANANA")
ASKED = 3  # questions beside each order
RIDGE = 0.1
CUE_SCALE, NEAR_SCALE = 0.2, 0.3  # how freely these weights may grow beside those of the vector
HARMLESS = 0.3  # mass of the harmless imperatives, as a share of the orders'
FOLDS = 4
MISSED = 0.005  # share of the sentences of orders in unseen phrasings that may stay below the threshold
BESIDE, CERTAIN = -2.0, 3.0  # log odds from the threshold
NEUTRAL = 1.0  # nearness of a sentence of which no question is known


@dataclass(frozen=True, slots=True)
class Rows:
    """Sentences as the model sees them: vectors, cues, nearness; the fold of each, the mass of all."""

    vectors: Floats
    cues: Floats
    near: Floats
    folds: Floats
    mass: float

    def only(self, kept: NDArray[np.bool_]) -> Rows:
        return Rows(self.vectors[kept], self.cues[kept], self.near[kept], self.folds[kept], self.mass)

    def design(self, centre: Floats) -> Floats:
        near = np.clip(self.near, FARTHEST, NEAREST)[:, None]
        return np.concatenate([self.vectors - centre, CUE_SCALE * self.cues, NEAR_SCALE * near], axis=1)


Found = list[tuple[Floats, tuple[float, float, float], float, int]]  # vector, cues, nearness, fold


def fold_of(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % FOLDS


def make_rows(found: Found, mass: float) -> Rows:
    vectors, held, near, folds = zip(*found, strict=True)
    return Rows(np.array(vectors, float), np.array(held), np.array(near, float), np.array(folds), mass)


def nearness(retriever: Retriever, lang: str, query: Vectors, vectors: Vectors) -> Floats:
    """As PromptInjectionFilter has it: cosine to the question, in standard deviations over the index's passages."""
    found = retriever.index(lang).search(SearchQuery("", query, 1, detailed=0))
    return np.asarray((vectors @ query - found.mean) / (found.std or 1.0), float)


def imperatives(retriever: Retriever, codes: Sequence[str], kind: str) -> Found:
    """Sentences of orders, or of what only sounds like them, beside questions on something else."""
    dice = np.random.default_rng(0)
    found: Found = []
    for code in codes:
        canaries = CANARIES if kind == "order" else ("",)
        whole = [(r.id, r.text.replace("{c}", c)) for r in read_hostile(code, kind, "calibration") for c in canaries]
        texts = [(name, t[s.start : s.end]) for name, t in whole for s in sentence_spans(t)]
        vectors = retriever.embedder.encode_document([t for _, t in texts])
        asked = retriever.embedder.encode_query([e.question for e in own_questions(code, "calibration")])
        for (name, text), vector in zip(texts, vectors, strict=True):
            for n in dice.integers(len(asked), size=ASKED):
                near = nearness(retriever, code, asked[n], vector[None])[0]
                found.append((vector, count_cues([text], code)[0], float(near), fold_of(name)))
    return found


def prose(retriever: Retriever, codes: Sequence[str], asked: bool) -> Found:
    """Sentences of the starter documents: all of them, or those beside a calibration question on their document."""
    found: Found = []
    for code in codes:
        by_doc = _sentences(retriever.index(code).store)
        examples = [e for e in own_questions(code, "calibration") if e.answerable]
        pairs: list[tuple[str, Vectors | None]] = [(doc, None) for doc in by_doc]
        if asked:
            pairs = [(e.gold_docs[0], retriever.embed(e.question)) for e in examples]
        for doc, query in pairs:
            texts, vectors = by_doc[doc]
            alone = np.full(len(texts), NEUTRAL)
            near = alone if query is None else nearness(retriever, code, query, vectors)
            fold = fold_of(doc.removeprefix(f"{code}-"))
            rows = zip(vectors, texts, near, strict=True)
            found += [(vector, count_cues([text], code)[0], float(n), fold) for vector, text, n in rows]
    return found


def _sentences(store: DocumentStore) -> dict[str, tuple[list[str], Vectors]]:
    """Texts and vectors of the sentences of each document."""
    rows = store.vectors()[0].tolist()
    by_doc: dict[str, tuple[list[str], list[Vectors]]] = {}
    for passage, (spans, vectors) in zip(store.passages(rows), store.sentences(rows), strict=True):
        texts, own = by_doc.setdefault(passage.doc_id, ([], []))
        texts += [passage.text[s.start - passage.start : s.end - passage.start] for s in spans]
        own += list(vectors)
    return {doc: (texts, np.array(own, np.float32)) for doc, (texts, own) in by_doc.items()}


def samples(embedder: Embedder) -> Found:
    texts = [(p.code, t) for p in languages().values() for t in (*p.sample_sentences, *p.sample_questions)]
    vectors = embedder.encode_document([t for _, t in texts])
    return [(v, count_cues([t], code)[0], NEUTRAL, fold_of(t)) for v, (code, t) in zip(vectors, texts, strict=True)]


def fit(orders: Rows, others: Sequence[Rows], centre: Floats) -> tuple[Floats, float]:
    groups = [orders, *others]
    x = np.concatenate([g.design(centre) for g in groups])
    y = np.concatenate([np.full(len(g.near), float(g is orders)) for g in groups])
    w = np.concatenate([np.full(len(g.near), g.mass / len(g.near)) for g in groups])
    return logistic(x, y, w, RIDGE)


def bare(orders: Rows, others: Sequence[Rows]) -> tuple[Floats, float]:
    """The same from cues alone, at a threshold that 1 in 500 sentences of the documents passes."""
    groups = [orders, *others]
    y = np.concatenate([np.full(len(g.near), float(g is orders)) for g in groups])
    w = np.concatenate([np.full(len(g.near), g.mass / len(g.near)) for g in groups])
    weights, _ = logistic(np.concatenate([g.cues for g in groups]), y, w, RIDGE)
    return weights, -float(np.quantile(others[0].cues @ weights, 0.998)) - 1e-3


def main() -> None:
    """Write mlrag/safety/prompt_injection.json anew."""
    console, settings = Console(stderr=True), Settings()
    embedder = make_embedder(settings)
    codes = [c for c in languages() if (settings.corpora / c).is_dir()]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        indexes = FolderIndexes(Path(folder))
        for c in codes:
            index_documents(read_documents([settings.corpora / c], c), indexes, embedder)
        PATH.write_text(json.dumps(learn(Retriever(indexes, embedder, guarded=False), codes)), encoding="utf-8")
    console.print(f"learned orders in {', '.join(codes)}; wrote {PATH}")


def unseen(orders: Rows, others: Sequence[Rows], centre: Floats) -> list[Floats]:
    """Log odds of every row, from weights that have not seen its fold; the orders' first."""
    groups = [orders, *others]
    scores = [np.zeros(len(g.near)) for g in groups]
    for fold in range(FOLDS):
        weights, bias = fit(orders.only(orders.folds != fold), [g.only(g.folds != fold) for g in others], centre)
        for g, own in zip(groups, scores, strict=True):
            out = g.folds == fold
            own[out] = g.only(out).design(centre) @ weights + bias
    return scores


def learn(retriever: Retriever, codes: Sequence[str]) -> dict[str, Any]:
    """Return the contents of prompt_injection.json."""
    raw = imperatives(retriever, codes, "order")
    mass = len(raw) / ASKED
    orders = make_rows(raw, mass)
    others = [
        make_rows(prose(retriever, codes, asked=False), mass / 2),
        make_rows(prose(retriever, codes, asked=True), mass / 2),
        make_rows(samples(retriever.embedder), mass / 20),
        make_rows(imperatives(retriever, codes, "quoted"), HARMLESS * mass),
    ]
    centre = others[0].vectors.mean(0)
    scores = unseen(orders, others, centre)
    threshold = float(np.quantile(scores[0], MISSED))
    weights, bias = fit(orders, others, centre)
    bare_weights, bare_bias = bare(orders, others)
    dim = orders.vectors.shape[1]
    names = ("orders", "documents", "asked", "samples", "harmless")
    return {
        "embedder": retriever.embedder.name,
        "made_by": "python -m eval.calibration.prompt_injection",
        "centre": centre.round(5).tolist(),
        "weights": weights[:dim].round(3).tolist(),
        "cue_weights": (CUE_SCALE * weights[dim : dim + 3]).round(4).tolist(),
        "near_weight": round(NEAR_SCALE * float(weights[-1]), 4),
        "bias": round(bias - threshold, 4),
        "threshold": round(threshold, 4),
        "beside": BESIDE,
        "certain": CERTAIN,
        "bare_weights": bare_weights.round(4).tolist(),
        "bare_bias": round(bare_bias, 4),
        "redacted_unseen": {n: round(float(np.mean(s >= threshold)), 4) for n, s in zip(names, scores, strict=True)},
        "certain_unseen": {
            n: round(float(np.mean(s >= threshold + CERTAIN)), 4) for n, s in zip(names, scores, strict=True)
        },
        "n": {n: len(s) for n, s in zip(names, scores, strict=True)},
    }


if __name__ == "__main__":
    typer.run(main)
