"""Noise corpora: texts of shuffled real sentences, vectors that are real ones with noise added. Named so in the table.

A passage is three sentences of the English starter documents and a number of its own; a sentence's vector is that of
the real sentence plus normal noise of length 0.3 (cosine to it about .96); a passage's is its sentences' mean plus as
much.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.reopen import sentences
from eval.examples import own_questions
from mlrag.index.e5 import E5
from mlrag.index.embedders import Embedder
from mlrag.index.store import EmbeddedPassage, Store
from mlrag.ingest import EmbeddedDocument
from mlrag.records import Document, Passage, Vectors
from mlrag.retrieval import Retriever
from mlrag.text.sentences import sentence_spans

LANG = "en"
NOISE = 0.3  # length of what is added to a vector of length 1
_PASSAGES, _SENTENCES, _BATCH = 10, 3, 200


@cache
def embedder() -> E5:
    return E5()


@cache
def _real() -> tuple[list[str], Vectors]:
    known = sentences()
    return known, embedder().encode_document(known)


@cache
def questions() -> list[str]:
    """The bench's own English questions, each once."""
    return list(dict.fromkeys(e.question for e in own_questions(LANG)))


class Remembering:
    """An embedder whose vectors of questions are there already: what a search costs apart from embedding."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[str, Vectors] = {}
        self.name, self.engine, self.host, self.dim = inner.name, inner.engine, inner.host, inner.dim

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._inner.encode_document(texts)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._inner.encode_query([text])[0]
        return np.array([self._known[text] for text in texts], np.float32)


def noisy(vectors: Vectors, chance: np.random.Generator) -> Vectors:
    """Copies of length 1."""
    noise = chance.standard_normal(vectors.shape, np.float32) * np.float32(NOISE / vectors.shape[1] ** 0.5)
    copies = vectors + noise
    return np.asarray(copies / np.linalg.norm(copies, axis=1, keepdims=True), np.float32)


def documents(count: int, seed: int = 0) -> Iterator[EmbeddedDocument]:
    """Documents of ten passages."""
    known, vectors = _real()
    pick, noise = random.Random(seed), np.random.default_rng(seed)
    for number in range(count):
        chosen = [pick.sample(range(len(known)), _SENTENCES) for _ in range(_PASSAGES)]
        texts = [" ".join([*(known[i] for i in own), f"Note {number}-{p}."]) for p, own in enumerate(chosen)]
        at, passages = 0, []
        for p, (own, text) in enumerate(zip(chosen, texts, strict=True)):
            spans = tuple(replace(s, start=s.start + at, end=s.end + at) for s in sentence_spans(text))
            rows = noisy(vectors[[own[min(i, _SENTENCES - 1)] for i in range(len(spans))]], noise)
            whole = noisy(vectors[own].mean(0, keepdims=True), noise)[0]
            passage = Passage(f"d{number}#{p}", f"d{number}", LANG, at, at + len(text), text)
            passages.append(EmbeddedPassage(passage, whole, spans, rows))
            at += len(text) + 2
        yield Document(f"d{number}", LANG, "\n\n".join(texts)), passages


def batches(items: Sequence[EmbeddedDocument]) -> Iterator[Sequence[EmbeddedDocument]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def put(folder: Path, items: Sequence[EmbeddedDocument]) -> Store:
    """Everything into the store of a language, as an ingest does."""
    store = Store(folder / "index" / LANG / "store.sqlite", LANG)
    for batch in batches(items):
        store.put(batch, embedder().name, embedder().engine)
    return store


@dataclass(frozen=True, slots=True)
class Corpus:
    """A data folder of the service with a noise corpus in it."""

    folder: Path
    passages: int

    def retriever(self) -> Retriever:
        return Retriever(self.folder / "index", Remembering(embedder()))


def corpus(work: Path, passages: int) -> Corpus:
    """Made once and kept below `work`; its derived index is the present code's."""
    folder = work / "corpora" / str(passages)
    mark = folder / "complete"
    if not mark.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        pending: list[EmbeddedDocument] = []
        for item in documents(passages // _PASSAGES):
            pending.append(item)
            if len(pending) == _BATCH:
                put(folder, pending)
                pending = []
        put(folder, pending)
        with sqlite3.connect(folder / "index" / LANG / "store.sqlite") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        mark.touch()
    found = Corpus(folder, passages)
    found.retriever().measure_null(LANG)
    return found
