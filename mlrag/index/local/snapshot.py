"""An index snapshot: the files that a search reads, made from the store at one commit, with a manifest of checksums.

It is built whole, or from an older one and what changed since; then both share files. Passages have positions in it;
those of deleted passages stay empty until the next whole build.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlrag.index.local.baseline_file import NAME, carry_baseline
from mlrag.index.local.dense import DenseIndex
from mlrag.index.local.files import checksum
from mlrag.index.local.lexical import LexicalIndex
from mlrag.index.local.segment import SAMPLE
from mlrag.index.local.store import Store

FORMAT = 4
_MANIFEST, _ROWS, _GONE, _LEXICAL = "manifest.json", "rows.npy", "gone.npy", "lexical"


@dataclass(frozen=True, slots=True)
class IndexSnapshot:
    """One snapshot, open. `rows[position]` is the store's passage row, also of the deleted ones, whose positions, in
    order, are `gone`; `keeper` holds a folder that nothing else holds."""

    commit: int
    folder: Path
    rows: NDArray[np.int64]
    gone: NDArray[np.int64]
    dense: DenseIndex
    lexical: LexicalIndex
    keeper: object = None

    @property
    def live(self) -> int:
        """Passages that can be found."""
        return len(self.rows) - len(self.gone)


def load_snapshot(folder: Path, commit: int, keeper: object = None) -> IndexSnapshot:
    """Open the snapshot in a folder. Raises OSError, ValueError, RuntimeError, KeyError where it does not open."""
    rows, gone = np.load(folder / _ROWS), np.load(folder / _GONE)
    return IndexSnapshot(commit, folder, rows, gone, DenseIndex(folder, gone), LexicalIndex(folder / _LEXICAL), keeper)


def build_snapshot(store: Store, commit: int, folder: Path) -> None:
    """Write the snapshot of this commit, which the store's read transaction is of, from all that is stored."""
    rows, vectors = store.vectors()
    np.save(folder / _ROWS, rows)
    np.save(folder / _GONE, np.zeros(0, np.int64))
    DenseIndex.build(vectors, folder, lambda: store.sentence_vectors(SAMPLE))
    LexicalIndex.build(store.indexed_texts(), folder / _LEXICAL)
    _write_manifest(folder, commit, store.stamp(commit), {})


def extend_snapshot(base: IndexSnapshot, store: Store, commit: int, folder: Path) -> None:
    """Write the snapshot of this commit from an older one: rows only grow, and what is stored in one never changes.

    Raises FileNotFoundError where the older one was swept away meanwhile.
    """
    last = int(base.rows[-1]) if len(base.rows) else 0
    added, vectors = store.vectors(last)
    gone = np.flatnonzero(~np.isin(base.rows, store.rows()))
    newly_gone = np.setdiff1d(gone, base.gone)
    np.save(folder / _ROWS, np.concatenate([base.rows, added]))
    np.save(folder / _GONE, gone)
    base.dense.extend(vectors, newly_gone, folder, lambda: store.sentence_vectors(SAMPLE))
    texts = store.indexed_texts(last)
    LexicalIndex.extend(base.folder / _LEXICAL, texts, len(base.rows), newly_gone, folder / _LEXICAL)
    _write_manifest(folder, commit, store.stamp(commit), _shared_checksums(base.folder, folder))
    changed, live = len(added) + len(newly_gone), base.live - len(newly_gone) + len(added)
    carry_baseline(base.folder, folder, changed, live)


def find_damage(folder: Path, commit: int, stamp: str) -> str:
    """Return why this snapshot cannot be used for the commit with this stamp; "" where it can."""
    if not (folder / _MANIFEST).is_file():
        return f"no index for commit {commit}"
    try:
        manifest = _read_manifest(folder)
        if manifest["format"] != FORMAT:
            return f"{folder.name} is of another version"
        if manifest["commit"] != commit:
            return f"{folder.name} says it is commit {manifest['commit']}"
        if manifest["stamp"] != stamp:
            return f"{folder.name} was made from other documents"
        same = manifest["files"] == {name: checksum(path) for name, path in _files(folder).items()}
    except (OSError, ValueError, KeyError, TypeError):
        return f"{folder.name} has no readable manifest"
    return "" if same else f"{folder.name} is damaged: a file differs from its checksum"


def _files(folder: Path) -> dict[str, Path]:
    """All files but those written later: the off-topic baseline, locks and Tantivy's own bookkeeping (dot files)."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != _MANIFEST and p.name[0] != ".")
    return {p.relative_to(folder).as_posix(): p for p in files if not p.name.startswith(NAME)}


def _read_manifest(folder: Path) -> dict[str, object]:
    manifest: dict[str, object] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    return manifest


def _shared_checksums(old: Path, new: Path) -> dict[str, str]:
    """Checksums of the files that both have, from the old manifest."""
    sums, files = _read_manifest(old)["files"], _files(new)
    if not isinstance(sums, dict):
        raise ValueError(f"{old.name} has no readable manifest")
    return {name: s for name, s in sums.items() if name in files and files[name].samefile(old / name)}


def _write_manifest(folder: Path, commit: int, stamp: str, known: Mapping[str, str]) -> None:
    sums = {name: known.get(name) or checksum(path) for name, path in _files(folder).items()}
    manifest = {"format": FORMAT, "commit": commit, "stamp": stamp, "files": sums}
    with (folder / _MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
