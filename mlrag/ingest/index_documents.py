"""The index flow on one screen: documents in, searchable passages out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mlrag.documents.chunking import chunk
from mlrag.embedding.base import Embedder
from mlrag.index.off_topic_baseline import OffTopicBaselines
from mlrag.index.protocol import Indexes
from mlrag.index.types import EmbeddedPassage
from mlrag.languages import language
from mlrag.text.sentences import sentence_spans
from mlrag.types import PART_OF, Document, Span

EmbeddedDocument = tuple[Document, list[EmbeddedPassage]]
Embed = Callable[[Sequence[Sequence[Document]]], Iterable[tuple[Sequence[Document], list[EmbeddedDocument]]]]
Progress = Callable[[str, int], None]  # language, documents done
BATCH = 16  # documents in one transaction
_REFRESH_EVERY = 500  # passages after which the derived index follows, so that a kill leaves little to catch up


@dataclass(frozen=True, slots=True)
class IndexResult:
    """Numbers of documents of one language: indexed now, and found unchanged."""

    lang: str
    added: int
    unchanged: int


def index_documents(
    documents: Iterable[Document],
    indexes: Indexes,
    embedder: Embedder,
    progress: Progress = lambda _lang, _done: None,
    chunk_size: int | None = None,
    baselines: OffTopicBaselines | None = None,
    embed: Embed | None = None,
) -> list[IndexResult]:
    """Index documents, one index a language; unchanged documents cost nothing.

    Args:
        chunk_size: in characters; the language pack's own by default.
        baselines: those of the retriever that answers from these indexes in the same process, if there is one.
        embed: see `index_changed`.

    Raises UnknownLanguageError, EmbedderMismatchError.
    """
    documents = list(documents)
    total = Counter(d.lang for d in documents)
    _check_embedder(total, indexes, embedder)
    changed = find_changed(documents, indexes)
    unchanged = total - Counter(d.lang for d in changed)
    for lang in sorted(total):
        progress(lang, unchanged[lang])
    baselines = baselines or OffTopicBaselines(embedder)
    added = index_changed(changed, indexes, embedder, progress, chunk_size, baselines, embed)
    for lang in sorted(unchanged):
        if lang not in added:
            baselines.prepare_index(indexes.index(lang))
    return [IndexResult(lang, added[lang], unchanged[lang]) for lang in sorted(total)]


def find_changed(documents: Iterable[Document], indexes: Indexes) -> list[Document]:
    """Return the documents that are new or changed. It needs no embedder, so a start with nothing to do is quick."""
    known = dict[str, dict[str, str]]()
    changed = []
    for document in documents:
        lang = document.lang
        if lang not in known:
            known[lang] = indexes.store(lang).hashes() if indexes.holds(lang) else {}
        if known[lang].get(document.id) != document.content_hash:
            changed.append(document)
    return changed


def index_changed(
    documents: Iterable[Document],
    indexes: Indexes,
    embedder: Embedder,
    progress: Progress,
    chunk_size: int | None = None,
    baselines: OffTopicBaselines | None = None,
    embed: Embed | None = None,
) -> Counter[str]:
    """Embed and store documents that are new or changed, and bring the indexes up to date; return how many by language.

    Stretches of a document in another language than its own go to the index of theirs, stored first: where the
    document is known in its own language, all of it is there. `embed`: what makes vectors of the batches in place of
    `embed_documents`, in any order; it may leave documents out. Raises EmbedderMismatchError.
    """
    by_lang = groupby(sorted(documents, key=lambda d: d.lang), key=lambda d: d.lang)
    groups = {lang: list(group) for lang, group in by_lang}
    _check_embedder(groups, indexes, embedder)
    batches = [group[start : start + BATCH] for group in groups.values() for start in range(0, len(group), BATCH)]
    embedded = embed(batches) if embed else ((batch, embed_documents(batch, embedder, chunk_size)) for batch in batches)
    indexed, not_refreshed, touched = Counter[str](), Counter[str](), set[str]()
    for batch, parts in embedded:
        lang = batch[0].lang
        touched |= _store_other_languages(parts, batch, indexes, embedder)
        own_parts = [part for part in parts if part[0].lang == lang]
        indexes.store(lang).put(own_parts, embedder.name, embedder.engine)
        progress(lang, len(batch))
        indexed[lang] += len(batch)
        not_refreshed[lang] += sum(len(passages) for _, passages in own_parts)
        if not_refreshed[lang] >= _REFRESH_EVERY:
            indexes.index(lang).refresh()
            not_refreshed[lang] = 0
    baselines = baselines or OffTopicBaselines(embedder)
    for lang in sorted(touched | {lang for lang in groups if indexes.holds(lang)}):
        baselines.prepare_index(indexes.index(lang))
    return indexed


def _check_embedder(langs: Iterable[str], indexes: Indexes, embedder: Embedder) -> None:
    for lang in sorted(langs):
        language(lang)
        if indexes.holds(lang):
            indexes.store(lang).check_embedder(embedder.name)


def _store_other_languages(
    parts: Sequence[EmbeddedDocument], batch: Sequence[Document], indexes: Indexes, embedder: Embedder
) -> set[str]:
    """Store the parts in other languages than their document's, and delete those that are no longer in it.

    Returns the languages that changed.
    """
    main, ids = batch[0].lang, {d.id for d in batch}
    changed = set()
    for lang in sorted(({part[0].lang for part in parts} | set(indexes.languages())) - {main}):
        store = indexes.store(lang)
        current = [part for part in parts if part[0].lang == lang]
        outdated = ids - {document.id for document, _ in current}
        deleted = [s.id for s in store.list_sources() if s.part_of == main and s.id in outdated]
        if current:
            store.put(current, embedder.name, embedder.engine)
        if deleted:
            store.delete(deleted)
        if current or deleted:
            changed.add(lang)
    return changed


def embed_documents(
    documents: Sequence[Document], embedder: Embedder, chunk_size: int | None = None
) -> list[EmbeddedDocument]:
    """Chunk and embed, passages and sentences, all texts of the batch in two calls; a mixed document once for each
    language."""
    passages_of = [chunk(d, language(d.lang), chunk_size) for d in documents]
    passages = [p for group in passages_of for p in group]
    vectors = embedder.encode_document([p.indexed_text for p in passages])
    spans_of = [sentence_spans(p.text) for p in passages]
    sentences = [p.text[s.start : s.end] for p, spans in zip(passages, spans_of, strict=True) for s in spans]
    sentence_vectors = embedder.encode_document(sentences)
    embedded, at = {}, 0
    for passage, vector, spans in zip(passages, vectors, spans_of, strict=True):
        in_document = tuple(Span(s.start + passage.start, s.end + passage.start) for s in spans)
        embedded[passage.id] = EmbeddedPassage(passage, vector, in_document, sentence_vectors[at : at + len(spans)])
        at += len(spans)
    parts = []
    for document, group in zip(documents, passages_of, strict=True):
        for lang in sorted({document.lang, *(p.lang for p in group)}):
            parts.append((_make_part(document, lang), [embedded[p.id] for p in group if p.lang == lang]))
    return parts


def _make_part(document: Document, lang: str) -> Document:
    """Return the document as the index of a language holds it."""
    if lang == document.lang:
        return document
    return replace(document, lang=lang, meta={**document.meta, PART_OF: document.lang})
