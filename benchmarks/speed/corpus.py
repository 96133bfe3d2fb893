"""Corpora of searches: passages mixed from real sentences (`mixing` says how), in documents of ten, in a real store."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.speed.measure import took
from benchmarks.speed.mixing import Real, embedder, mixed, real
from eval.datasets.own import own_questions
from mlrag.answering.retriever import Retriever
from mlrag.embedding.base import Embedder
from mlrag.index.local.dense import DenseIndex
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.lexical import LexicalIndex
from mlrag.index.local.store import EmbeddedPassage, Store
from mlrag.ingest.index_documents import EmbeddedDocument
from mlrag.types import Document, Passage, Span, Vectors

LANG = "en"
_PASSAGES, _BATCH, _TITLE = 10, 200, 4  # passages in a document, documents in a transaction, words in a title
_TOLD = 5_000  # documents after which progress is told


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
        return Retriever(FolderIndexes(self.folder / "index"), Remembering(embedder()))

    @property
    def built(self) -> dict[str, float]:
        """CPU seconds of each step of making it, as far as they are known."""
        path = self.folder / "built.json"
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found


def corpus(work: Path, passages: int) -> Corpus:
    """Made once and kept below `work`; its derived index is the present code's."""
    found = Corpus(work / "corpora" / f"mixed-{passages}", passages)
    mark = found.folder / "complete"
    spent = found.built
    if not mark.is_file():
        shutil.rmtree(found.folder, ignore_errors=True)
        spent = {"store": _fill(found)}
        mark.touch()
    with (
        clocked(spent, "vectors", Store, "vectors"),
        clocked(spent, "dense", DenseIndex, "build"),
        clocked(spent, "lexical", LexicalIndex, "build"),
    ):
        found.retriever().prepare_index(LANG)
    (found.folder / "built.json").write_text(json.dumps(spent), encoding="utf-8")
    return found


def _fill(new: Corpus) -> float:
    """CPU seconds of storing, without those of making what is stored."""
    pending: list[EmbeddedDocument] = []
    spent, count, told = 0.0, new.passages // _PASSAGES, Console(stderr=True)
    for number, item in enumerate(documents(count), 1):
        pending.append(item)
        if len(pending) == _BATCH or number == count:
            spent += took(lambda: put(new.folder, pending))  # noqa: B023
            pending = []
        if number % _TOLD == 0:
            told.print(f"{new.folder.name}: {number * _PASSAGES} passages stored, {spent:.0f} CPU s")
    with sqlite3.connect(new.folder / "index" / LANG / "store.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return spent


@contextmanager
def clocked(spent: dict[str, float], name: str, owner: type, method: str) -> Iterator[None]:
    """`spent[name]`: CPU seconds of the calls of a method inside; untouched where there are none."""
    own, called, total = vars(owner)[method], getattr(owner, method), 0.0

    def timed(*given: Any) -> Any:
        nonlocal total
        begun = time.process_time()
        try:
            return called(*given)
        finally:
            spent[name] = total = total + time.process_time() - begun

    setattr(owner, method, staticmethod(timed) if isinstance(own, (staticmethod, classmethod)) else timed)
    try:
        yield
    finally:
        setattr(owner, method, own)
