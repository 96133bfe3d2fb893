"""python -m eval.calibrate: learn when to abstain from the calibration questions (six topics, never scored).

Positives: answerable questions. Negatives: the same with their gold document hidden, and the near misses. One
logistic regression over all languages on features standardised by language; a balanced threshold a language.
The number probe is a logistic regression on question vectors over `eval/answer_types/`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from eval.examples import Example, article_removed, own_questions, read_jsonl
from mlrag.assemble import make_embedder
from mlrag.corpus.loaders import read_documents
from mlrag.generation.calibration import PATH
from mlrag.generation.scoring import FEATURES, answerability
from mlrag.index.embedders import Embedder
from mlrag.ingest import index_documents
from mlrag.languages import languages
from mlrag.retrieval import Retriever
from mlrag.settings import Settings

ANSWER_TYPES = Path(__file__).parent / "answer_types"
FALSE_CROSSINGS = 0.05  # share of hidden-document questions that another language may still answer
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


def balanced(y: Floats) -> Floats:
    """Row weights that give both classes half of the mass."""
    return np.asarray(np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean())), float)


def examples_of(lang: str) -> list[Example]:
    asked = own_questions(lang, "calibration")
    return asked + [article_removed(e) for e in asked if e.answerable]


def features(retriever: Retriever, examples: list[Example]) -> tuple[Floats, Floats]:
    vectors = retriever.embedder.encode_query([e.question for e in examples])
    rows = [
        answerability(retriever.search(e.question, e.lang, exclude=e.hidden, vector=v))
        for e, v in zip(examples, vectors, strict=True)
    ]
    return np.array(rows, float), np.array([float(e.answerable) for e in examples])


def standardise(x: Floats) -> tuple[Floats, Floats]:
    """Mean and spread by feature."""
    return x.mean(0), np.maximum(x.std(0), 1e-6)


def number_probe(embedder: Embedder, codes: list[str]) -> tuple[Floats, float]:
    rows = [row for code in codes for row in read_jsonl(ANSWER_TYPES / f"{code}.jsonl")]
    x = embedder.encode_query([r["question"] for r in rows]).astype(float)
    y = np.array([float(r["digit"]) for r in rows])
    return logistic(x, y, np.ones(len(y)), ridge=0.1)


def cross_threshold(retriever: Retriever, codes: list[str]) -> float:
    """How far above its crowd, in standard deviations, a foreign sentence must stand.

    The 95th percentile over questions asked of other languages' corpora with the gold document hidden.
    """
    far = []
    for number, code in enumerate(codes):
        other = codes[(number + 1) % len(codes)]
        for example in own_questions(code, "calibration"):
            hidden = frozenset(g.replace(f"{code}-", f"{other}-", 1) for g in example.gold_docs)
            found = retriever.search(example.question, other, exclude=hidden)
            best = max(s.cosine for s in found.sentences)
            far.append((best - found.cosine_mean) / (found.cosine_std or 1.0))
    return float(np.quantile(far, 1 - FALSE_CROSSINGS))


def main() -> None:
    """Write mlrag/generation/calibration.json anew from our own calibration questions."""
    console = Console(stderr=True)
    settings = Settings()
    embedder = make_embedder(settings)
    codes = [c for c in languages() if (settings.corpora / c).is_dir()]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        documents = [d for c in codes for d in read_documents([settings.corpora / c], c)]
        index_documents(documents, Path(folder), embedder)
        retriever = Retriever(Path(folder), embedder)
        found = {c: features(retriever, examples_of(c)) for c in codes}
        crossing = cross_threshold(retriever, codes)
    scales = {c: standardise(x) for c, (x, _) in found.items()}
    x = np.concatenate([(found[c][0] - scales[c][0]) / scales[c][1] for c in codes])
    y = np.concatenate([found[c][1] for c in codes])
    weights, bias = logistic(x, y, balanced(y))
    probe, probe_bias = number_probe(embedder, codes)
    result = {
        "embedder": embedder.name,
        "made_by": "python -m eval.calibrate",
        "features": FEATURES,
        "weights": weights.round(4).tolist(),
        "bias": round(bias, 4),
        "languages": {
            c: {
                "mean": scales[c][0].round(5).tolist(),
                "std": scales[c][1].round(5).tolist(),
                "threshold": 0.0,
                "n": len(found[c][1]),
            }
            for c in codes
        },
        "cross_threshold": round(crossing, 3),
        "probe": probe.round(3).tolist(),
        "probe_bias": round(probe_bias, 4),
    }
    PATH.write_text(json.dumps(result), encoding="utf-8")
    console.print(f"calibrated {len(codes)} languages: {', '.join(codes)}; wrote {PATH}")


if __name__ == "__main__":
    typer.run(main)
