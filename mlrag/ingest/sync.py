"""Files and indexes brought together: what is new is indexed, what is gone is removed, what is broken is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mlrag.documents.chunking import chunk
from mlrag.documents.readers import Loaded
from mlrag.embedding.base import Embedder
from mlrag.errors import DocumentError, UnknownLanguageError
from mlrag.index.local.indexes import Place, at, stores
from mlrag.ingest.index_documents import Embed, Progress, index_documents, pending
from mlrag.languages import language
from mlrag.types import UPLOAD, Document


@dataclass(slots=True)
class Read:
    """What reading files gave. `problems` name the files, or rows, that were skipped; `warnings` what looks wrong."""

    documents: list[Document] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Synced:
    """Documents indexed, unchanged and removed."""

    indexed: int
    unchanged: int
    removed: int


def read_files(
    files: Iterable[Path], load: Callable[[Path], Loaded], progress: Callable[[], None] = lambda: None
) -> Read:
    """Take every file as `load` gives it; one for which it raises DocumentError is a problem and the rest goes on."""
    read = Read()
    owners: dict[tuple[str, str], str] = {}
    for path in files:
        try:
            loaded = load(path)
            for document in loaded.documents:
                language(document.lang)
            taken = [d for d in loaded.documents if owners.setdefault((d.lang, d.id), d.source) != d.source]
            read.documents += [d for d in loaded.documents if d not in taken]
            read.sources.add(path.as_posix())
            read.warnings += loaded.warnings
            read.problems += [_taken(d, owners[d.lang, d.id]) for d in taken]
        except (DocumentError, UnknownLanguageError) as error:
            said = str(error)
            read.problems.append(said if str(path) in said else f"{path}: {said}")
        progress()
    return read


def _taken(document: Document, owner: str) -> str:
    if owner.startswith(UPLOAD):
        advice = "delete that document first, or give this one another id"
        return f"{document.source}: the id {document.id!r} is that of an upload ({advice})"
    advice = "give it another one, or index their common folder"
    return f"{document.source}: the id {document.id!r} is that of {owner} ({advice})"


def sync(
    read: Read,
    gone: Iterable[str],
    place: Place,
    embedder: Callable[[], Embedder],
    progress: Progress,
    embed: Callable[[Embedder], Embed | None] = lambda _embedder: None,
) -> Synced:
    """Index what was read, remove what came from a path in `gone` or is no longer in its file.

    A file that could not be read keeps what is indexed of it. A document whose id is that of another file that is still
    there becomes a problem, and what is indexed stays. `embedder` is called only where there is work; `embed` gives
    what `index_documents` embeds with in its place, None for itself.
    """
    gone = frozenset(gone)
    _refuse_taken(read, gone, place)
    todo = pending(read.documents, place)
    indexed = 0
    if todo:
        with_ = embedder()
        indexed = sum(i.added for i in index_documents(todo, place, with_, progress, embed=embed(with_)))
    _remember_sources(read.documents, place)
    removed = _remove(read, gone, place)
    return Synced(indexed, len(read.documents) - len(todo), removed)


def _refuse_taken(read: Read, gone: frozenset[str], place: Place) -> None:
    """Take documents out of what was read whose id belongs to another file, in a language that they have a part in.

    A file gives its id up when it is gone, or was read and no longer says it: so a moved or renamed file keeps working.
    """
    owners = {(lang, s.id): s.source for lang, store in stores(place).items() for s in store.stored()}
    said = {(d.source, d.id) for d in read.documents}
    new = {(d.lang, d.id) for d in pending(read.documents, place)}
    kept = []

    def stands(owner: str, doc_id: str) -> bool:
        if owner in read.sources:
            return (owner, doc_id) in said
        return owner.startswith(UPLOAD) or (not _lies_in(owner, gone) and Path(owner).exists())

    for d in read.documents:
        langs = _languages(d) if (d.lang, d.id) in new else {d.lang}
        others = {owners.get((lang, d.id), "") for lang in langs} - {"", d.source}
        owner = next((other for other in sorted(others) if stands(other, d.id)), "")
        if owner:
            read.problems.append(_taken(d, owner))
            continue
        kept.append(d)
        owners |= {(lang, d.id): d.source for lang in langs}
    read.documents = kept


def _languages(document: Document) -> set[str]:
    """Those whose indexes will hold a part of it."""
    parts = chunk(document, language(document.lang)) if document.detected else []
    return {document.lang, *(p.lang for p in parts)}


def missing(roots: Iterable[Path], files: Iterable[Path], place: Place) -> list[str]:
    """Sources of stored documents that lay below these folders and are none of these files."""
    there = {path.as_posix() for path in files}
    found = {s.source for store in stores(place).values() for r in roots for s in store.stored(r.as_posix())}
    return sorted(found - there)


def _remember_sources(documents: Sequence[Document], place: Place) -> None:
    """A moved file whose content is known is not indexed anew; only its source changes."""
    sources = {(d.id, d.lang): d.source for d in documents}
    for lang, store in stores(place).items():
        now = {s: sources.get((s.id, s.part_of or lang), s.source) for s in store.stored()}
        moved = {s.id: source for s, source in now.items() if source != s.source}
        if moved:
            store.move(moved)


def _remove(read: Read, places: frozenset[str], place: Place) -> int:
    """How many documents were removed, each counted once however many languages it stood in."""
    kept = {(d.source, d.id, d.lang) for d in read.documents}
    removed = set()
    for lang, store in stores(place).items():
        old = [
            s
            for s in store.stored()
            if _lies_in(s.source, places)
            or (s.source in read.sources and (s.source, s.id, s.part_of or lang) not in kept)
        ]
        if old:
            store.delete([s.id for s in old])
            at(place).index(lang).tidy()
            removed |= {(s.source, s.id) for s in old}
    return len(removed)


def _lies_in(source: str, places: frozenset[str]) -> bool:
    path = PurePosixPath(source)
    return bool(places) and not places.isdisjoint((source, *(p.as_posix() for p in path.parents)))
