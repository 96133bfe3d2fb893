"""The index of one language: its store, and the dense and lexical indexes derived from it.

Derived files sit in `gen-<commit>/` with a manifest of checksums. Equal commit and checksums: loaded. Older,
missing or damaged: rebuilt from the store, never trusted. So a kill at any moment loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlrag.index.dense import DenseIndex
from mlrag.index.lexical import LexicalIndex
from mlrag.index.null import NAME
from mlrag.index.store import Store

_MANIFEST, _ROWS, _LEXICAL = "manifest.json", "rows.npy", "lexical"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Derived:
    """One generation: what a search reads. `rows[position]` is the store's passage row."""

    commit: int
    folder: Path
    rows: NDArray[np.int64]
    dense: DenseIndex
    lexical: LexicalIndex


class LanguageIndex:
    """Opens the store of one language and keeps a generation that fits it."""

    def __init__(self, folder: Path, lang: str) -> None:
        self.folder = folder
        self.lang = lang
        self.store = Store(folder / "store.sqlite", lang)
        self.rebuilt_because = ""
        self._derived: Derived | None = None
        self._lock = threading.Lock()

    def current(self) -> Derived:
        """The generation of the store's latest commit: loaded, or rebuilt where it cannot be trusted.

        Inside a snapshot of the store it is that of the snapshot, and its rows are all there to be read.
        """
        with self.store.snapshot() as commit:
            derived = self._derived
            if derived is not None and derived.commit == commit:
                return derived
            with self._lock:
                if self._derived is None or self._derived.commit != commit:
                    self._derived = self._load(commit) or self._build(commit)
                return self._derived

    def _generation(self, commit: int) -> Path:
        return self.folder / f"gen-{commit}"

    def _load(self, commit: int) -> Derived | None:
        folder = self._generation(commit)
        problem = _damage(folder, commit)
        if problem:
            self.rebuilt_because = problem
            return None
        try:
            return Derived(
                commit, folder, np.load(folder / _ROWS), DenseIndex.load(folder), LexicalIndex(folder / _LEXICAL)
            )
        except (OSError, ValueError, RuntimeError) as error:
            self.rebuilt_because = f"{folder.name} does not open: {error}"
            return None

    def _build(self, commit: int) -> Derived:
        _log.info("building the %s index (%s)", self.lang, self.rebuilt_because)
        folder = self._generation(commit)
        draft = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        rows, vectors = self.store.vectors()
        np.save(draft / _ROWS, rows)
        DenseIndex.build(vectors).save(draft)
        LexicalIndex.build((p.indexed_text for p in self.store.all_passages()), draft / _LEXICAL)
        _write_manifest(draft, commit)
        if _damage(folder, commit):  # else another process has built the same meanwhile
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        shutil.rmtree(draft, ignore_errors=True)
        self._sweep(commit)
        return Derived(commit, folder, rows, DenseIndex.load(folder), LexicalIndex(folder / _LEXICAL))

    def _sweep(self, commit: int) -> None:
        """Remove generations older than the last but one; a reader may still hold that one."""
        for old in self.folder.glob("gen-*"):
            number = old.name.split("-")[1].split(".")[0]
            if number.isdecimal() and int(number) < commit - 1:
                shutil.rmtree(old, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    """Everything but what is written later: `null.json`, locks and Tantivy's own bookkeeping (dot files)."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != _MANIFEST and p.name[0] != ".")
    return sorted(p for p in found if not p.name.startswith(NAME))


def _checksums(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in _files(folder)}


def _write_manifest(folder: Path, commit: int) -> None:
    manifest = {"commit": commit, "files": _checksums(folder)}
    path = folder / _MANIFEST
    with path.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _damage(folder: Path, commit: int) -> str:
    """Why this generation cannot be used; empty when it can."""
    path = folder / _MANIFEST
    if not path.is_file():
        return f"no index for commit {commit}"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        fits = manifest["commit"] == commit
        same = manifest["files"] == _checksums(folder)
    except (ValueError, KeyError, TypeError):
        return f"{folder.name} has no readable manifest"
    if not fits:
        return f"{folder.name} says it is commit {manifest['commit']}"
    return "" if same else f"{folder.name} is damaged: a file differs from its checksum"
