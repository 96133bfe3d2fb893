"""Files and indexes brought together: what is new is indexed, what is gone is removed, what is broken is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mlrag.documents.chunking import chunk
from mlrag.documents.readers import LoadedFile
from mlrag.embedding.base import Embedder
from mlrag.errors import DocumentError, UnknownLanguageError
from mlrag.index.protocol import Indexes, stores
from mlrag.ingest.index_documents import Embed, Progress, find_changed, index_changed
from mlrag.languages import language
from mlrag.types import UPLOAD, Document


@dataclass(slots=True)
class FilesRead:
    """What reading files gave. `problems` name the files, or rows, that were skipped; `warnings` what looks wrong."""

    documents: list[Document] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Numbers of documents that were indexed, unchanged and removed."""

    indexed: int
    unchanged: int
    removed: int


def read_files(
    files: Iterable[Path], load: Callable[[Path], LoadedFile], progress: Callable[[], None] = lambda: None
) -> FilesRead:
    """Read every file with `load`. One for which it raises DocumentError becomes a problem, and the rest goes on."""
    read = FilesRead()
    owners: dict[tuple[str, str], str] = {}  # sources by language and id
    for path in files:
        try:
            loaded = load(path)
            for document in loaded.documents:
                language(document.lang)
            for document in loaded.documents:
                owner = owners.setdefault((document.lang, document.id), document.source)
                if owner == document.source:
                    read.documents.append(document)
                else:
                    read.problems.append(_describe_conflict(document, owner))
            read.sources.add(path.as_posix())
            read.warnings += loaded.warnings
        except (DocumentError, UnknownLanguageError) as error:
            message = str(error)
            read.problems.append(message if str(path) in message else f"{path}: {message}")
        progress()
    return read


def _describe_conflict(document: Document, owner: str) -> str:
    if owner.startswith(UPLOAD):
        advice = "delete that document first, or give this one another id"
        return f"{document.source}: the id {document.id!r} is that of an upload ({advice})"
    advice = "give it another one, or index their common folder"
    return f"{document.source}: the id {document.id!r} is that of {owner} ({advice})"


def sync(
    read: FilesRead,
    gone: Iterable[str],
    indexes: Indexes,
    embedder: Callable[[], Embedder],
    progress: Progress,
    embed: Callable[[Embedder], Embed | None] = lambda _embedder: None,
) -> SyncResult:
    """Index what was read, remove what came from a path in `gone` or is no longer in its file.

    A file that could not be read keeps what is indexed of it. A document whose id is that of another file that is still
    there becomes a problem, and what is indexed stays. `embedder` is called only where there is work; `embed` gives
    what `index_changed` embeds with, None for the embedder itself.
    """
    gone = frozenset(gone)
    changed = find_changed(read.documents, indexes)
    changed = _refuse_conflicts(read, changed, gone, indexes)
    indexed = 0
    if changed:
        model = embedder()
        indexed = index_changed(changed, indexes, model, progress, embed=embed(model)).total()
    _update_sources(read.documents, indexes)
    removed = _remove(read, gone, indexes)
    return SyncResult(indexed, len(read.documents) - len(changed), removed)


def _refuse_conflicts(
    read: FilesRead, changed: Sequence[Document], gone: frozenset[str], indexes: Indexes
) -> list[Document]:
    """Take documents out of what was read whose id belongs to another file, in a language that they have a part in;
    return those of `changed` that stay.

    A file gives its id up when it is gone, or was read and no longer says it: so a moved or renamed file keeps working.
    """
    owners = {(lang, s.id): s.source for lang, store in stores(indexes).items() for s in store.list_sources()}
    ids_read = {(d.source, d.id) for d in read.documents}
    changed_keys = {(d.lang, d.id) for d in changed}
    accepted, accepted_keys = [], set()

    def still_owns(owner: str, doc_id: str) -> bool:
        if owner in read.sources:
            return (owner, doc_id) in ids_read
        return owner.startswith(UPLOAD) or (not _lies_in(owner, gone) and Path(owner).exists())

    for document in read.documents:
        key = document.lang, document.id
        langs = _find_languages(document) if key in changed_keys else {document.lang}
        others = {owners.get((lang, document.id), "") for lang in langs} - {"", document.source}
        owner = next((other for other in sorted(others) if still_owns(other, document.id)), "")
        if owner:
            read.problems.append(_describe_conflict(document, owner))
            continue
        accepted.append(document)
        accepted_keys.add(key)
        owners |= {(lang, document.id): document.source for lang in langs}
    read.documents = accepted
    return [d for d in changed if (d.lang, d.id) in accepted_keys]


def _find_languages(document: Document) -> set[str]:
    """Return the languages whose indexes will hold a part of a document."""
    parts = chunk(document, language(document.lang)) if document.detected else []
    return {document.lang, *(p.lang for p in parts)}


def find_missing(roots: Iterable[Path], files: Iterable[Path], indexes: Indexes) -> list[str]:
    """Return the sources of stored documents that lay below these folders and are none of these files."""
    folders = [root.as_posix() for root in roots]
    stored = set()
    for store in stores(indexes).values():
        stored |= {s.source for folder in folders for s in store.list_sources(folder)}
    return sorted(stored - {path.as_posix() for path in files})


def _update_sources(documents: Sequence[Document], indexes: Indexes) -> None:
    """Store the new sources of documents whose file has moved; they are not indexed again."""
    sources = {(d.id, d.lang): d.source for d in documents}
    for lang, store in stores(indexes).items():
        current = {s: sources.get((s.id, s.part_of or lang), s.source) for s in store.list_sources()}
        moved = {s.id: source for s, source in current.items() if source != s.source}
        if moved:
            store.move(moved)


def _remove(read: FilesRead, gone: frozenset[str], indexes: Indexes) -> int:
    """Remove what is gone; return the number of documents, each counted once however many languages it stood in."""
    kept = {(d.source, d.id, d.lang) for d in read.documents}
    removed = set()
    for lang, store in stores(indexes).items():
        outdated = [
            s
            for s in store.list_sources()
            if _lies_in(s.source, gone)
            or (s.source in read.sources and (s.source, s.id, s.part_of or lang) not in kept)
        ]
        if outdated:
            store.delete([s.id for s in outdated])
            indexes.index(lang).optimize()
            removed |= {(s.source, s.id) for s in outdated}
    return len(removed)


def _lies_in(source: str, paths: frozenset[str]) -> bool:
    """Is the source one of these paths, or below one?"""
    return bool(paths) and not paths.isdisjoint((source, *(p.as_posix() for p in PurePosixPath(source).parents)))
