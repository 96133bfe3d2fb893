"""Corpora of searches: passages mixed from real sentences (`mixing` says how), in documents of ten, in a real store."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.mixing import Real, embedder, mixed, real
from eval.examples import own_questions
from mlrag.index.embedders import Embedder
from mlrag.index.store import EmbeddedPassage, Store
from mlrag.ingest import EmbeddedDocument
from mlrag.records import Document, Passage, Span, Vectors
from mlrag.retrieval import Retriever

LANG = "en"
_PASSAGES, _BATCH, _TITLE = 10, 200, 4  # passages in a document, documents in a transaction, words in a title


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


def documents(count: int, seed: int = 0) -> Iterator[EmbeddedDocument]:
    """Documents of ten passages, entitled by the words that they begin with."""
    known = real()
    for first in range(0, count, _BATCH):
        own = min(_BATCH, count - first)
        made = mixed(own * _PASSAGES, (seed, first))
        for number in range(own):
            rows = range(number * _PASSAGES, (number + 1) * _PASSAGES)
            yield _document(f"d{first + number}", [(made.parts[r], made.vectors[r]) for r in rows], known)


def _document(name: str, passages: Sequence[tuple[NDArray[np.int64], Vectors]], known: Real) -> EmbeddedDocument:
    title = " ".join(known.texts[passages[0][0][0]].split()[:_TITLE])
    at, texts, made = 0, [], []
    for number, (parts, vector) in enumerate(passages):
        sentences = [known.texts[p] for p in parts]
        text = " ".join(sentences)
        ends = np.cumsum([len(s) + 1 for s in sentences])
        spans = tuple(Span(at + int(e) - len(s) - 1, at + int(e) - 1) for e, s in zip(ends, sentences, strict=True))
        passage = Passage(f"{name}#{number}", name, LANG, at, at + len(text), text, title)
        made.append(EmbeddedPassage(passage, vector, spans, known.vectors[parts]))
        texts.append(text)
        at += len(text) + 2
    return Document(name, LANG, "\n\n".join(texts), title), made


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
    """A data folder of the service with a synthetic corpus in it."""

    folder: Path
    passages: int

    def retriever(self) -> Retriever:
        return Retriever(self.folder / "index", Remembering(embedder()))


def corpus(work: Path, passages: int) -> Corpus:
    """Made once and kept below `work`; its derived index is the present code's."""
    folder = work / "corpora" / f"mixed-{passages}"
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
