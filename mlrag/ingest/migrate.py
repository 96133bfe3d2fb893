"""Copy indexes from one storage backend to another with their vectors: nothing is embedded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlrag.errors import StorageError
from mlrag.index.protocol import DocumentStore, Indexes
from mlrag.index.serialize import checksum
from mlrag.index.types import StoreCounts

BATCH = 64  # documents in one transaction


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """One language: documents copied now and found unchanged, and what both backends hold."""

    lang: str
    copied: int
    unchanged: int
    counts: StoreCounts


def migrate(
    source: Indexes, target: Indexes, progress: Callable[[str, int], None] = lambda _lang, _done: None
) -> list[MigrationResult]:
    """Copy every language, then compare both backends: counts, and a checksum of every document.

    What was copied before stays, so that it can be run again after it was stopped. Raises StorageError where the target
    holds other documents or something differs in the end, EmbedderMismatchError for vectors of another embedder.
    """
    return [_migrate(lang, source, target, progress) for lang in source.languages()]


def _migrate(lang: str, source: Indexes, target: Indexes, progress: Callable[[str, int], None]) -> MigrationResult:
    old, new = source.store(lang), target.store(lang)
    embedder, engine = old.embedder, old.engine
    if not embedder:
        return MigrationResult(lang, 0, 0, old.counts())
    new.check_embedder(embedder)
    wanted, known = _hashes_and_sources(old), _hashes_and_sources(new)
    _refuse_others(lang, sorted(known.keys() - wanted.keys()))
    todo = [doc_id for doc_id in wanted if known.get(doc_id) != wanted[doc_id]]
    progress(lang, len(wanted) - len(todo))
    for batch in _batches(todo):
        new.put_packed(old.pack_documents(batch), embedder, engine or "")
        progress(lang, len(batch))
    if target.holds(lang):
        target.index(lang).optimize()
    _verify(lang, old, new, sorted(wanted))
    return MigrationResult(lang, len(todo), len(wanted) - len(todo), new.counts())


def _hashes_and_sources(store: DocumentStore) -> dict[str, tuple[str, str]]:
    """Return content hash and source by document id."""
    sources = {s.id: s.source for s in store.list_sources()}
    return {doc_id: (hash_, sources.get(doc_id, "")) for doc_id, hash_ in sorted(store.hashes().items())}


def _refuse_others(lang: str, others: Sequence[str]) -> None:
    if others:
        named = ", ".join(map(repr, others[:3]))
        raise StorageError(
            f"the target holds {len(others)} {lang!r} documents that the source has not: {named}",
            "delete them there, or migrate into an empty backend",
        )


def _verify(lang: str, old: DocumentStore, new: DocumentStore, ids: Sequence[str]) -> None:
    differs = [b for b in _batches(ids) if checksum(old.pack_documents(b)) != checksum(new.pack_documents(b))]
    if differs or old.counts() != new.counts():
        message = f"source and target differ in {lang!r}: {old.counts()} and {new.counts()}"
        message += f", among documents {differs[0][0]!r} to {differs[0][-1]!r}" if differs else ""
        raise StorageError(message, "nothing should write to either meanwhile; run it again")


def _batches(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
