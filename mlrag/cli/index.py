"""`mlrag index` and `mlrag index --watch`: files to searchable passages, with progress and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mlrag.documents.readers import Limits, Sandbox, document_files, is_document, load, root_of
from mlrag.embedding.base import Embedder
from mlrag.errors import DocumentError
from mlrag.factory import make_embedder, make_indexes
from mlrag.index.protocol import Indexes
from mlrag.ingest.index_documents import Embed
from mlrag.ingest.sync import FilesRead, SyncResult, find_missing, read_files, sync
from mlrag.languages import language
from mlrag.settings import Settings

_SHOWN = 20  # warnings and problems shown of one run
_WAKE = 500  # milliseconds between two looks of the watcher at whether it was stopped


def limits(settings: Settings) -> Limits:
    return Limits(settings.max_file_mb * 1_000_000, settings.max_file_seconds, settings.max_file_memory_mb * 1_000_000)


def index_paths(
    settings: Settings,
    paths: Sequence[Path],
    lang: str | None,
    console: Console,
    embedder: Embedder | None = None,
    place: Indexes | None = None,
    ray: str = "",
) -> list[str]:
    """Bring the indexes up to date with these files and folders; report. The files or rows that were skipped.

    `embedder`: one that is loaded already; else one is, where there is work. `place`: one that is open already. `ray`:
    the address of a Ray cluster that reads and embeds. Raises DocumentError for a path that is not there,
    UnknownLanguageError, EmbedderMismatchError, SettingsError for a cluster that cannot be used.
    """
    roots, files = _find_paths(paths, lang)
    place = place or make_indexes(settings)
    with _at(ray, settings, roots, lang) as where:
        return _run(where, place, files, roots, None, console, lambda: embedder or make_embedder(settings))


def watch_paths(settings: Settings, paths: Sequence[Path], lang: str | None, console: Console) -> None:
    """As `index_paths`, and again for whatever changes, until interrupted."""
    from watchfiles import watch

    roots, files = _find_paths(paths, lang)
    place = make_indexes(settings)
    embedder = cache(lambda: make_embedder(settings))
    here = Here(limits(settings), roots, lang)
    places, started = [*roots, *(f for f in files if root_of(f, roots) is None)], False
    try:
        for changes in watch(*places, rust_timeout=_WAKE, yield_on_timeout=True, raise_interrupt=False):
            if not started:  # the watcher listens by now: nothing that changes meanwhile is missed
                started = True
                _run(here, place, _find_paths(paths, lang)[1], roots, None, console, embedder)
                console.print(f"watching {escape(', '.join(map(str, places)))}; stop with Ctrl-C")
            touched = sorted({Path(name) for _, name in changes})
            changed, gone = _find_changed_files(touched, roots), [p.as_posix() for p in touched if not p.exists()]
            if changed or gone:
                _run(here, place, changed, roots, gone, console, embedder)
    except OSError as error:
        raise DocumentError(f"these files cannot be watched: {error}") from error


class Where(Protocol):
    """Where files are read and documents embedded."""

    def read(self, files: Sequence[Path], tick: Callable[[], None]) -> FilesRead: ...

    def embed(self, embedder: Embedder, problems: list[str]) -> Embed | None:
        """None: by the embedder itself. Documents that fail are left out, and become problems."""


@dataclass(frozen=True, slots=True)
class Here:
    """In this process, files in its sandbox."""

    limits: Limits
    roots: Sequence[Path]
    lang: str | None

    def read(self, files: Sequence[Path], tick: Callable[[], None]) -> FilesRead:
        with Sandbox(self.limits) as sandbox:
            return read_files(files, lambda p: load(p, sandbox, self.lang, root_of(p, self.roots)), tick)

    def embed(self, embedder: Embedder, problems: list[str]) -> Embed | None:
        del embedder, problems
        return None


@contextmanager
def _at(ray: str, settings: Settings, roots: Sequence[Path], lang: str | None) -> Iterator[Where]:
    if not ray:
        yield Here(limits(settings), roots, lang)
        return
    from mlrag.ingest.on_ray import OnCluster
    from mlrag.ray_cluster import connect

    with connect(ray, settings):
        yield OnCluster(settings, limits(settings), tuple(roots), lang)


def _find_paths(paths: Sequence[Path], lang: str | None) -> tuple[list[Path], list[Path]]:
    """(folders, files), absolute."""
    if lang:
        language(lang)
    whole = [path.resolve() for path in paths]
    return [p for p in whole if p.is_dir()], document_files(whole)


def _find_changed_files(touched: Sequence[Path], roots: Sequence[Path]) -> list[Path]:
    """The documents among these paths, and those in a folder that was moved here."""
    files = {p for p in touched if p.is_file() and is_document(p, root_of(p, roots))}
    return sorted(files | {f for p in touched if p.is_dir() for f in document_files([p])})


def _run(
    where: Where,
    place: Indexes,
    files: Sequence[Path],
    roots: Sequence[Path],
    gone: Sequence[str] | None,
    console: Console,
    embedder: Callable[[], Embedder],
) -> list[str]:
    """Read and index with a bar. `gone` None: whatever was indexed from below the roots and is none of the files."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        reading = bar.add_task("reading", total=len(files))
        read = where.read(files, lambda: bar.advance(reading))
        indexing = bar.add_task("indexing", total=None, visible=False)

        def advance(code: str, done: int) -> None:
            bar.update(indexing, advance=done, description=f"indexing {code}", visible=True)

        if gone is None:
            gone = find_missing(roots, files, place)
        done = sync(read, gone, place, embedder, advance, partial(where.embed, problems=read.problems))
    _report(read, done, console)
    return read.problems


def _report(read: FilesRead, done: SyncResult, console: Console) -> None:
    for kind, sentences in (("skipped", read.problems), ("note:", read.warnings)):
        for sentence in sentences[:_SHOWN]:
            console.print(f"[yellow]{kind} {escape(sentence)}[/yellow]", soft_wrap=True)
        if len(sentences) > _SHOWN:
            console.print(f"[yellow]and {len(sentences) - _SHOWN} more {kind.rstrip(':')}[/yellow]")
    langs = len({d.lang for d in read.documents})
    removed = f", {done.removed} removed" if done.removed else ""
    console.print(f"{done.indexed} documents indexed, {done.unchanged} unchanged{removed}, in {langs} languages")
