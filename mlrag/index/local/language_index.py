"""The index of one language: its store, and the dense and lexical indexes derived from it.

Derived files sit in `gen-<commit>/` with a manifest of checksums. Equal commit and checksums: loaded. Older: brought up
to date with what changed since. Missing or damaged: rebuilt from the store, never trusted. So a kill at any moment
loses nothing, and costs what had changed.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mlrag.errors import MissingIndexError
from mlrag.index.local.baseline_file import read_baseline, write_baseline
from mlrag.index.local.hybrid import rank, search
from mlrag.index.local.snapshot import (
    FORMAT,
    IndexSnapshot,
    build_snapshot,
    extend_snapshot,
    find_damage,
    load_snapshot,
)
from mlrag.index.local.storage_errors import storage_error
from mlrag.index.local.store import Store
from mlrag.index.protocol import Ranker, SearchQuery, SearchResult
from mlrag.types import Vectors

WHOLE_BELOW = 500  # passages: fewer are always built whole, which takes well under a second
_STALE = 10  # a whole build is due once one position in so many belongs to a deleted passage
_TRIES = 3  # to start from an older snapshot
_FAULTS = (OSError, ValueError, RuntimeError, KeyError)  # what NumPy, FAISS and Tantivy raise for files
_drafts: set[str] = set()  # those that this process writes
_log = logging.getLogger(__name__)


class LanguageIndex:
    """The store of one language, and the snapshot of its latest commit."""

    def __init__(self, folder: Path, lang: str) -> None:
        self.folder = folder
        self.lang = lang
        self.store = Store(folder / "store.sqlite", lang)
        self.rebuilt_because = ""
        self._held: dict[int, IndexSnapshot] = {}  # by commit: the last two, since a reader may still be at the older
        self._lock = threading.Lock()

    def read_transaction(self) -> AbstractContextManager[int]:
        """Search one commit inside."""
        return self.store.read_transaction()

    def search(self, query: SearchQuery) -> SearchResult:
        """Return the k best passages by both rankers; no hit where nothing is stored."""
        with self.store.read_transaction():
            return search(self.store, self.refresh(), query)

    def rank(self, query: SearchQuery, ranker: Ranker) -> list[str]:
        """Return the ids of the k best passages by one ranker alone or by both, for measuring."""
        return rank(self.store, self.refresh(), query, ranker)

    def load_baseline(self, key: str) -> Vectors | None:
        """Return the off-topic baseline of the current snapshot that was saved under this key; None without one."""
        return read_baseline(self.refresh().folder, key)

    def save_baseline(self, key: str, values: Vectors, commit: int) -> None:
        """Save a baseline next to the files of this commit's snapshot; the caller is in a read transaction of it."""
        snapshot = self.refresh()
        if snapshot.commit == commit:
            write_baseline(snapshot.folder, key, values)

    def size(self) -> int:
        """Return the bytes that its files take."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())

    def refresh(self) -> IndexSnapshot:
        """Return the snapshot of the store's latest commit: loaded, brought up to date, or rebuilt where none is sound.

        Inside a read transaction of the store it is that of the transaction's commit, and its rows can all be read.
        Raises StorageError where it can be written nowhere.
        """
        with self.store.read_transaction() as commit:
            if commit in self._held:
                return self._held[commit]
            with self._lock:
                if commit not in self._held:
                    self._hold(self._load(commit) or self._make(commit))
                return self._held[commit]

    def optimize(self) -> IndexSnapshot:
        """Refresh after a change; build a whole snapshot where many positions are empty, while readers go on with the
        one there is."""
        with self.store.read_transaction() as commit:
            snapshot = self.refresh()
            if len(snapshot.gone) * _STALE > len(snapshot.rows):
                snapshot = self._write(commit, lambda draft: build_snapshot(self.store, commit, draft), "-whole")
                with self._lock:
                    self._hold(snapshot)
            return snapshot

    def _hold(self, snapshot: IndexSnapshot) -> None:
        held = self._held | {snapshot.commit: snapshot}
        self._held = {commit: held[commit] for commit in sorted(held)[-2:]} | {snapshot.commit: snapshot}

    def _load(self, commit: int) -> IndexSnapshot | None:
        problem = f"no index for commit {commit}"
        for folder in self._snapshot_folders(commit, commit):
            snapshot, problem = self._load_sound(folder, commit)
            if snapshot:
                return snapshot
        self.rebuilt_because = problem
        return None

    def _load_sound(self, folder: Path, commit: int) -> tuple[IndexSnapshot | None, str]:
        """Return the snapshot in a folder, or why it cannot be used."""
        problem = find_damage(folder, commit, self.store.stamp(commit))
        try:
            return (None, problem) if problem else (load_snapshot(folder, commit), "")
        except _FAULTS as error:
            return None, f"{folder.name} does not open: {error}"

    def _snapshot_folders(self, first: int, last: int) -> list[Path]:
        """Return the folders of the commits from `first` to `last`, newest first, whole builds before others."""
        folders = [(_parse_commit(p), "-whole" in p.name, p) for p in self.folder.glob(f"gen-*-{FORMAT}*")]
        return [p for number, _, p in sorted(folders, reverse=True) if number is not None and first <= number <= last]

    def _make(self, commit: int) -> IndexSnapshot:
        large = self.store.counts().passages >= WHOLE_BELOW
        for _ in range(_TRIES):
            base = self._find_base(commit) if large else None
            if base is None:
                break
            try:
                return self._extend(base, commit)
            except FileNotFoundError:  # another process has swept the older one away: it made a newer
                self._held = {}
        _log.info("building the %s index (%s)", self.lang, self.rebuilt_because)
        return self._write(commit, lambda draft: build_snapshot(self.store, commit, draft))

    def _extend(self, base: IndexSnapshot, commit: int) -> IndexSnapshot:
        snapshot = self._write(commit, lambda draft: extend_snapshot(base, self.store, commit, draft))
        if "damaged" not in self.rebuilt_because:
            self.rebuilt_because = ""
        return snapshot

    def _find_base(self, commit: int) -> IndexSnapshot | None:
        """Return the newest sound snapshot of an older commit; None without one."""
        for held in sorted(self._held, reverse=True):
            if held < commit and self._held[held].folder.is_dir():
                return self._held[held]
        for folder in self._snapshot_folders(1, commit - 1):
            snapshot, problem = self._load_sound(folder, _parse_commit(folder) or 0)
            if snapshot:
                return snapshot
            self.rebuilt_because = problem
        return None

    def _write(self, commit: int, make: Callable[[Path], None], kind: str = "") -> IndexSnapshot:
        """Make a snapshot in a draft folder and rename it, so that it is there whole or not at all.

        Where the folder cannot be written, it lies in a temporary folder as long as this process. Raises StorageError.
        """
        folder = self.folder / f"gen-{commit}-{FORMAT}{kind}"
        draft = self.folder / f"gen-{commit}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp"
        _drafts.add(draft.name)
        try:
            draft.mkdir(parents=True)
            make(draft)
            if find_damage(
                folder, commit, self.store.stamp(commit)
            ):  # else another process has built the same meanwhile
                shutil.rmtree(folder, ignore_errors=True)
                draft.rename(folder)
            self._sweep(commit)
            return load_snapshot(folder, commit)
        except FileNotFoundError:
            if not self.folder.is_dir():
                raise MissingIndexError(self.lang) from None
            raise
        except _FAULTS as error:
            shutil.rmtree(draft, ignore_errors=True)
            _log.warning("%s cannot be written; the index is kept for this process alone: %s", self.folder, error)
            return self._write_temporary(commit, make)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            _drafts.discard(draft.name)

    def _write_temporary(self, commit: int, make: Callable[[Path], None]) -> IndexSnapshot:
        try:
            keeper = tempfile.TemporaryDirectory(prefix="mlrag-index-", ignore_cleanup_errors=True)
            make(Path(keeper.name))
            return load_snapshot(Path(keeper.name), commit, keeper)
        except _FAULTS as error:
            raise storage_error(self.folder, error) from error

    def _sweep(self, commit: int) -> None:
        """Remove snapshots older than the last but one, which a reader may hold, and drafts of dead processes."""
        kept = {*self._snapshot_folders(0, commit - 1)[:1], *self._snapshot_folders(commit, sys.maxsize)}
        for folder in self.folder.glob("gen-*"):
            if folder in kept or (_is_alive(folder) if folder.suffix == ".tmp" else _parse_commit(folder) == commit):
                continue
            shutil.rmtree(folder, ignore_errors=True)


def _parse_commit(folder: Path) -> int | None:
    number = folder.name.split("-")[1].split(".")[0]
    return int(number) if number.isdecimal() else None


def _is_alive(draft: Path) -> bool:
    """Does the process still run that writes this draft?"""
    number = draft.name.split(".")[1]
    if number == str(os.getpid()):  # in a container every process is number 1, also the one that was killed
        return draft.name in _drafts
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return True
