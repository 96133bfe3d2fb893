"""Passages mixed from real English sentences, as many as are wanted: synthetic, and named so where they are measured.

The sentences are those of the starter documents and, where they lie beside the house, of the research data (wiki pages,
news, travel guides). A passage takes one at random and seven of its 2,048 nearest. Its vector is the mean of real
vectors plus a random convex mixture of the eight's deviations from it, drawn out to the spread that real vectors have;
its text is the five that weigh most, so that words are as common as in the real texts and text and vector agree. Noise
copies, used before, lie so close to each other that no bits tell them apart; `shape` measures how near to real it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.reopen import HOUSE, sentences
from mlrag.embedding.e5.embedder import E5
from mlrag.text.normalize import clean
from mlrag.text.sentences import sentence_spans
from mlrag.types import Vectors

DATA = HOUSE.parent / "shared" / "data"
_FILES = ("main/en.belebele.passages", "main/en.xquad.passages", "nomiracl/en.dev.passages", "ntrex16/en.docs")
_KEPT = HOUSE / "var" / "benchmarks"
PARTS, SHOWN, NEAR = 8, 5, 2048  # sentences in a vector, of them in the text; from how many neighbours they are taken
_SHORTEST = 25  # characters: what is shorter is a heading, or a splitter's mistake
_BATCH, _ROWS = 256, 20_000


@cache
def embedder() -> E5:
    return E5()


@dataclass(frozen=True, slots=True)
class Real:
    """Different real sentences, their vectors, and the places of each one's nearest."""

    texts: Sequence[str]
    vectors: Vectors
    near: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mixed:
    """`parts` of passages, (n, SHOWN) places of real sentences; `vectors` (n, dim) of length 1."""

    parts: NDArray[np.int64]
    vectors: Vectors


@cache
def real() -> Real:
    """Embedded once and kept."""
    texts = list(dict.fromkeys(s for s in _sentences() if len(s) >= _SHORTEST))
    key = hashlib.sha256("\n".join([embedder().name, embedder().engine, *texts]).encode()).hexdigest()[:16]
    path = _KEPT / f"sentences-{key}.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [embedder().encode_document(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        np.save(path, np.concatenate(parts))
    vectors = np.asarray(np.load(path), np.float32)
    return Real(texts, vectors, _nearest(vectors, min(NEAR, len(vectors) - 1)))


def _sentences() -> Iterator[str]:
    yield from map(str.strip, sentences())
    for path in (DATA / f"{name}.jsonl" for name in _FILES):
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            text = clean(json.loads(line)["text"])
            yield from (text[s.start : s.end].strip() for s in sentence_spans(text))


def _nearest(vectors: Vectors, k: int) -> NDArray[np.int64]:
    cosines = faiss.IndexFlatIP(vectors.shape[1])
    cosines.add(vectors)
    return np.concatenate([cosines.search(vectors[i : i + 1024], k + 1)[1] for i in range(0, len(vectors), 1024)])[
        :, 1:
    ]


def mixed(count: int, seed: int | Sequence[int] = 0) -> Mixed:
    """As many passages, always the same for a seed."""
    known, chance = real(), np.random.default_rng(seed)
    mean = known.vectors.mean(0)
    spread = float(((known.vectors - mean) ** 2).sum(1).mean())
    parts, vectors = np.empty((count, SHOWN), np.int64), np.empty((count, known.vectors.shape[1]), np.float32)
    for start in range(0, count, _ROWS):
        n = min(_ROWS, count - start)
        first = chance.integers(len(known.texts), size=n)
        others = known.near[first[:, None], chance.integers(known.near.shape[1], size=(n, PARTS - 1))]
        chosen = np.concatenate([first[:, None], others], axis=1)
        weights = chance.dirichlet(np.ones(PARTS), n).astype(np.float32)
        off = np.einsum("np,npd->nd", weights, known.vectors[chosen] - mean)
        off *= (spread / float((off**2).sum(1).mean())) ** 0.5
        vectors[start : start + n] = _unit(mean + off)
        heavy = np.sort(np.argsort(-weights, axis=1)[:, :SHOWN], axis=1)
        parts[start : start + n] = np.take_along_axis(chosen, heavy, axis=1)
    return Mixed(parts, vectors)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Shape:
    """Of `n` vectors: length of their mean; how many directions share the variance (participation ratio); median
    distance to the nearest and the tenth; local dimension by the twenty nearest (Levina & Bickel 2004), median."""

    n: int
    mean: float
    directions: float
    nearest: float
    tenth: float
    dimension: float


def shape(vectors: Vectors, probes: int = 400, around: int = 20) -> Shape:
    """How vectors lie to each other."""
    chance = np.random.default_rng(0)
    distances = faiss.IndexFlatL2(vectors.shape[1])
    distances.add(vectors)
    chosen = chance.choice(len(vectors), min(probes, len(vectors)), replace=False)
    far = np.sqrt(np.maximum(distances.search(vectors[chosen], around + 1)[0][:, 1:], 1e-9))
    few = vectors[chance.choice(len(vectors), min(20_000, len(vectors)), replace=False)]
    values = np.linalg.eigvalsh(np.cov(few.T))
    dimension = 1 / np.log(far[:, -1:] / far[:, :-1]).mean(1)
    return Shape(
        len(vectors),
        float(np.linalg.norm(vectors.mean(0))),
        float(values.sum() ** 2 / (values**2).sum()),
        float(np.median(far[:, 0])),
        float(np.median(far[:, 9])),
        float(np.median(dimension)),
    )
