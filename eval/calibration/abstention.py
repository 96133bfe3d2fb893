"""python -m eval.calibration.abstention: learn when to abstain, from the calibration questions (six topics).

Positives: answerable questions. Negatives, each kind with a third of the weight: the same with their gold document
hidden, the near misses, and off-topic questions. Features are differences to what off-topic questions get from the
same index, so that one logistic regression serves all languages; passages of two sizes make the indexes differ.
The number probe is a logistic regression on the vectors of the off-topic questions.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from eval.datasets.own import article_removed, own_questions
from eval.types import Example
from mlrag.abstention.calibration import PATH, Caution
from mlrag.abstention.features import FEATURES, answerability, asks_for_another_number, distance
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.factory import make_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages, off_topic
from mlrag.settings import Settings

PASSAGE_PARTS = (1, 3)  # passages as shipped, and a third of that
# Share of answerable calibration questions that may be refused: a wrong answer is worse than none, and for some
# readers much worse.
ERROR: dict[Caution, float] = {"balanced": 0.12, "strict": 0.30}
FALSE_CROSSINGS = 0.05  # share of hidden-document questions that any other language may still answer
OFF_TOPIC, ANSWERABLE = "off_topic", "answerable"
Floats = NDArray[np.float64]


def logistic(x: Floats, y: Floats, weight: Floats, ridge: float = 1.0) -> tuple[Floats, float]:
    """Weights and bias of a ridge logistic regression, by Newton's method (iteratively reweighted squares)."""
    design = np.c_[x, np.ones(len(x))]
    penalty = ridge * np.diag([*[1.0] * x.shape[1], 1e-6])
    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (weight * (p - y)) + penalty @ beta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if np.abs(step).max() < 1e-8:
            break
    return beta[:-1], float(beta[-1])


def balance_weights(kinds: NDArray[np.str_]) -> Floats:
    """Row weights: half of the mass to the answerable, the other half in equal parts to each kind of negative."""
    others = len(set(kinds)) - 1
    share = {k: 0.5 if k == ANSWERABLE else 0.5 / others for k in set(kinds)}
    return np.array([share[k] / np.mean(kinds == k) for k in kinds])


def examples_of(lang: str) -> list[Example]:
    asked = own_questions(lang, "calibration")
    off = [Example(f"off-topic-{i}", lang, q.question, False, kind=OFF_TOPIC) for i, q in enumerate(off_topic(lang))]
    return asked + [article_removed(e) for e in asked if e.answerable] + off


def features(retriever: Retriever, examples: list[Example]) -> tuple[Floats, list[str]]:
    """Rows of features above the index's null, and their kinds. What the number rule refuses is left out."""
    vectors = retriever.embedder.encode_query([e.question for e in examples])
    rows, kinds = [], []
    for e, v in zip(examples, vectors, strict=True):
        found = retriever.search(e.question, e.lang, exclude=e.hidden, vector=v)
        if found.off_topic_baseline is not None and not asks_for_another_number(found):
            rows.append(answerability(found) - found.off_topic_baseline)
            kinds.append(ANSWERABLE if e.answerable else e.kind)
    return np.array(rows, float), kinds


def number_probe(embedder: Embedder, codes: list[str]) -> tuple[Floats, float]:
    rows = [row for code in codes for row in off_topic(code)]
    x = embedder.encode_query([r.question for r in rows]).astype(float)
    y = np.array([float(r.digit) for r in rows])
    return logistic(x, y, np.ones(len(y)), ridge=0.1)


def cross_threshold(retriever: Retriever, codes: list[str]) -> float:
    """How much further than an off-topic question's a foreign passage must stand out.

    The 95th percentile, over our questions with the gold document hidden everywhere, of the best other language.
    """
    far = []
    for code in codes:
        for example in own_questions(code, "calibration"):
            vector = retriever.embed(example.question)
            hidden = {c: frozenset(g.replace(f"{code}-", f"{c}-", 1) for g in example.gold_docs) for c in codes}
            found = [
                retriever.search(example.question, c, exclude=hidden[c], vector=vector) for c in codes if c != code
            ]
            far.append(max(map(distance, found)))
    return float(np.quantile(far, 1 - FALSE_CROSSINGS))


def main() -> None:
    """Write mlrag/abstention/calibration.json anew from our own calibration questions."""
    console = Console(stderr=True)
    settings = Settings()
    embedder = make_embedder(settings)
    codes = [c for c in languages() if (settings.corpora / c).is_dir()]
    rows, kinds = [], []
    crossing = 0.0
    for parts in PASSAGE_PARTS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            indexes = FolderIndexes(Path(folder))
            for c in codes:
                size = language(c).passage_chars // parts
                index_documents(read_documents([settings.corpora / c], c), indexes, embedder, chunk_size=size)
            retriever = Retriever(indexes, embedder)
            found = [features(retriever, examples_of(c)) for c in codes]
            rows += [x for x, _ in found]
            kinds += [k for _, ks in found for k in ks]
            crossing = crossing or cross_threshold(retriever, codes)
    x, kind = np.concatenate(rows), np.array(kinds)
    scale = x[kind == OFF_TOPIC].std(0)
    weights, _ = logistic(x / scale, (kind == ANSWERABLE).astype(float), balance_weights(kind))
    weights = weights / scale
    score = x @ weights
    bias = {caution: -float(np.quantile(score[kind == ANSWERABLE], share)) for caution, share in ERROR.items()}
    probe, probe_bias = number_probe(embedder, codes)
    result = {
        "embedder": embedder.name,
        "made_by": "python -m eval.calibration.abstention",
        "features": FEATURES,
        "weights": weights.round(4).tolist(),
        "bias": {caution: round(value, 4) for caution, value in bias.items()},
        "answered": {
            caution: {k: round(float(np.mean(score[kind == k] + value >= 0)), 3) for k in sorted(set(kinds))}
            for caution, value in bias.items()
        },
        "n": {k: int((kind == k).sum()) for k in sorted(set(kinds))},
        "cross_threshold": round(crossing, 3),
        "probe": probe.round(3).tolist(),
        "probe_bias": round(probe_bias, 4),
    }
    PATH.write_text(json.dumps(result), encoding="utf-8")
    console.print(f"calibrated on {', '.join(codes)}: {result['answered']} answered of {result['n']}; wrote {PATH}")


if __name__ == "__main__":
    typer.run(main)
