"""The index flow on one screen: documents in, searchable passages out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mlrag.corpus.chunking import chunk
from mlrag.index.embedders import Embedder
from mlrag.index.language_index import LanguageIndex
from mlrag.index.store import EmbeddedPassage, Store
from mlrag.languages import language
from mlrag.records import Document, Passage, Span
from mlrag.retrieval import Retriever
from mlrag.text.sentences import sentence_spans

BATCH = 16  # documents in one transaction
Progress = Callable[[str, int], None]  # language, documents done


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did to one language."""

    lang: str
    added: int
    unchanged: int


def index_documents(
    documents: Iterable[Document],
    folder: Path,
    embedder: Embedder,
    progress: Progress = lambda _lang, _done: None,
    chunk_size: int | None = None,
    retriever: Retriever | None = None,
) -> list[Ingested]:
    """Index documents below `folder`, one index a language; unchanged documents cost nothing.

    `chunk_size` is in characters; the pack's own by default. `retriever`: the one that answers from this folder in
    the same process, which then builds what is derived from the documents, once. Raises
    UnknownLanguageError, EmbedderMismatchError.
    """
    report = []
    retriever = retriever or Retriever(folder, embedder)
    ordered = sorted(documents, key=lambda d: d.lang)
    for lang, group in groupby(ordered, key=lambda d: d.lang):
        language(lang)
        index = LanguageIndex(folder / lang, lang)
        index.store.check_embedder(embedder.name)
        known = index.store.hashes()
        everything = list(group)
        new = [d for d in everything if known.get(d.id) != d.content_hash]
        progress(lang, len(everything) - len(new))
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            index.store.put(embed_documents(batch, embedder, chunk_size), embedder.name, embedder.engine)
            progress(lang, len(batch))
        retriever.measure_null(lang)
        report.append(Ingested(lang, len(new), len(everything) - len(new)))
    return report


def pending(documents: Iterable[Document], folder: Path) -> list[Document]:
    """The documents that are new or changed; needs no embedder, so a start with nothing to do is quick."""
    known: dict[str, dict[str, str]] = {}
    new = []
    for d in documents:
        if d.lang not in known:
            path = folder / d.lang / "store.sqlite"
            known[d.lang] = Store(path, d.lang).hashes() if path.is_file() else {}
        if known[d.lang].get(d.id) != d.content_hash:
            new.append(d)
    return new


def embed_documents(
    documents: Sequence[Document], embedder: Embedder, chunk_size: int | None = None
) -> list[tuple[Document, list[EmbeddedPassage]]]:
    """Chunk and embed, passages and sentences, all texts of the batch in two calls."""
    passages = [chunk(d, language(d.lang), chunk_size) for d in documents]
    flat = [p for ps in passages for p in ps]
    spans = [_sentences(p) for p in flat]
    vectors = embedder.encode_document([p.indexed_text for p in flat])
    sentence_vectors = embedder.encode_document(
        [p.text[s.start - p.start : s.end - p.start] for p, ss in zip(flat, spans, strict=True) for s in ss]
    )
    embedded, at = {}, 0
    for passage, vector, own in zip(flat, vectors, spans, strict=True):
        embedded[passage.id] = EmbeddedPassage(passage, vector, own, sentence_vectors[at : at + len(own)])
        at += len(own)
    return [(d, [embedded[p.id] for p in ps]) for d, ps in zip(documents, passages, strict=True)]


def _sentences(passage: Passage) -> tuple[Span, ...]:
    """The passage's sentences, in document offsets."""
    return tuple(Span(s.start + passage.start, s.end + passage.start) for s in sentence_spans(passage.text))
