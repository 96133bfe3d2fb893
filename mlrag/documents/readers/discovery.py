"""Which files below a path are documents."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlrag.errors import DocumentError

READERS = {
    ".md": "plain_text:read",
    ".markdown": "plain_text:read",
    ".txt": "plain_text:read",
    ".html": "html:read",
    ".htm": "html:read",
    ".xhtml": "html:read",
    ".pdf": "pdf:read",
    ".docx": "docx:read",
    ".csv": "tables:read_csv",
    ".tsv": "tables:read_csv",
    ".jsonl": "tables:read_jsonl",
}
SUFFIXES = tuple(READERS)


def is_document(path: Path, root: Path | None = None) -> bool:
    """Has it a suffix we read, and is no part of it below `root` hidden (".git") or an editor's lock ("~$a.docx")?"""
    below = path.relative_to(root).parts if root and path.is_relative_to(root) else (path.name,)
    return path.suffix.lower() in READERS and not any(part.startswith((".", "~$")) for part in below)


def document_files(paths: Iterable[Path]) -> list[Path]:
    """The readable files under these paths, sorted. Raises DocumentError for a path that is not there."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(p for p in path.rglob("*") if is_document(p, path) and p.is_file())
        elif path.is_file():
            if path.suffix.lower() not in READERS:
                raise DocumentError(
                    f"{path}: cannot read {path.suffix or 'a file without a suffix'}",
                    f"readable: {', '.join(SUFFIXES)}",
                )
            found.add(path)
        else:
            raise DocumentError(f"{path} does not exist")
    return sorted(found)


def root_of(path: Path, roots: Iterable[Path]) -> Path | None:
    """The first folder that the file lies in; ids are paths below it."""
    return next((r for r in roots if path.is_relative_to(r)), None)
