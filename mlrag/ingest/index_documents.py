"""The index flow on one screen: documents in, searchable passages out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mlrag.answering.retriever import Retriever
from mlrag.documents.chunking import chunk
from mlrag.embedding.base import Embedder
from mlrag.index.local.indexes import Place, at
from mlrag.index.protocol import Indexes
from mlrag.index.types import EmbeddedPassage
from mlrag.languages import language
from mlrag.text.sentences import sentence_spans
from mlrag.types import PART_OF, Document, Passage, Span

EmbeddedDocument = tuple[Document, list[EmbeddedPassage]]
Embed = Callable[[Sequence[Sequence[Document]]], Iterable[tuple[Sequence[Document], list[EmbeddedDocument]]]]
BATCH = 16  # documents in one transaction
_KEPT_UP = 500  # passages after which the derived index follows, so that a kill leaves little to catch up
Progress = Callable[[str, int], None]  # language, documents done


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did to one language."""

    lang: str
    added: int
    unchanged: int


def index_documents(
    documents: Iterable[Document],
    place: Place,
    embedder: Embedder,
    progress: Progress = lambda _lang, _done: None,
    chunk_size: int | None = None,
    retriever: Retriever | None = None,
    embed: Embed | None = None,
) -> list[Ingested]:
    """Index documents below a folder, or on a server, one index a language; unchanged documents cost nothing.

    Stretches of a document in another language than its own go to the index of theirs, stored first: where the
    document is known in its own language, all of it is there. `chunk_size` is in characters; the pack's own by
    default. `retriever`: the one that answers from this place in the same process, which then builds what is derived
    from the documents, once. `embed`: what makes vectors of the batches in `embedder`'s place, in any order; it may
    leave documents out. Raises UnknownLanguageError, EmbedderMismatchError.
    """
    retriever = retriever or Retriever(place, embedder)
    indexes = at(place)
    new, report = _new(documents, indexes, embedder, progress)
    batches = [group[start : start + BATCH] for group in new.values() for start in range(0, len(group), BATCH)]
    added, behind, others = Counter[str](), Counter[str](), set[str]()
    for batch, parts in embed(batches) if embed else ((b, embed_documents(b, embedder, chunk_size)) for b in batches):
        lang = batch[0].lang
        others |= _put_parts(parts, batch, indexes, embedder)
        own = [part for part in parts if part[0].lang == lang]
        indexes.store(lang).put(own, embedder.name, embedder.engine)
        progress(lang, len(batch))
        added[lang] += len(batch)
        behind[lang] += sum(len(passages) for _, passages in own)
        if behind[lang] >= _KEPT_UP:
            retriever.index(lang).current()
            behind[lang] = 0
    for lang in sorted(others | {lang for lang in new if indexes.holds(lang)}):
        retriever.measure_null(lang)
    return [replace(r, added=added[r.lang]) for r in report]


def _new(
    documents: Iterable[Document], indexes: Indexes, embedder: Embedder, progress: Progress
) -> tuple[dict[str, list[Document]], list[Ingested]]:
    """By language the documents that are new or changed, and the report so far."""
    new, report = {}, []
    for lang, group in groupby(sorted(documents, key=lambda d: d.lang), key=lambda d: d.lang):
        language(lang)
        store = indexes.store(lang)
        store.check_embedder(embedder.name)
        known, everything = store.hashes(), list(group)
        new[lang] = [d for d in everything if known.get(d.id) != d.content_hash]
        unchanged = len(everything) - len(new[lang])
        progress(lang, unchanged)
        report.append(Ingested(lang, 0, unchanged))
    return new, report


def _put_parts(
    parts: Sequence[EmbeddedDocument], batch: Sequence[Document], indexes: Indexes, embedder: Embedder
) -> set[str]:
    """Store what is in other languages than its document, drop what no longer is; the languages changed."""
    main, ids = batch[0].lang, {d.id for d in batch}
    changed = set()
    for lang in sorted({part[0].lang for part in parts} | set(indexes.languages()) - {main}):
        if lang == main:
            continue
        store = indexes.store(lang)
        own = [part for part in parts if part[0].lang == lang]
        kept = {d.id for d, _ in own}
        old = [s.id for s in store.stored() if s.part_of == main and s.id in ids - kept]
        if own:
            store.put(own, embedder.name, embedder.engine)
        if old:
            store.delete(old)
        changed |= {lang} if own or old else set()
    return changed


def pending(documents: Iterable[Document], place: Place) -> list[Document]:
    """The documents that are new or changed; needs no embedder, so a start with nothing to do is quick."""
    indexes, known = at(place), dict[str, dict[str, str]]()
    new = []
    for d in documents:
        if d.lang not in known:
            known[d.lang] = indexes.store(d.lang).hashes() if indexes.holds(d.lang) else {}
        if known[d.lang].get(d.id) != d.content_hash:
            new.append(d)
    return new


def embed_documents(
    documents: Sequence[Document], embedder: Embedder, chunk_size: int | None = None
) -> list[EmbeddedDocument]:
    """Chunk and embed, passages and sentences, all texts of the batch in two calls; a mixed document once for each."""
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
    return [
        (_part(d, lang), [embedded[p.id] for p in ps if p.lang == lang])
        for d, ps in zip(documents, passages, strict=True)
        for lang in sorted({d.lang, *(p.lang for p in ps)})
    ]


def _part(document: Document, lang: str) -> Document:
    if lang == document.lang:
        return document
    return replace(document, lang=lang, meta={**document.meta, PART_OF: document.lang})


def _sentences(passage: Passage) -> tuple[Span, ...]:
    """The passage's sentences, in document offsets."""
    return tuple(Span(s.start + passage.start, s.end + passage.start) for s in sentence_spans(passage.text))
