"""Find the files below a path that can be read as documents."""

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
    """Return whether the suffix can be read and no part below `root` is hidden (".git") or a lock file ("~$a.docx")."""
    below = path.relative_to(root).parts if root and path.is_relative_to(root) else (path.name,)
    return path.suffix.lower() in READERS and not any(part.startswith((".", "~$")) for part in below)


def document_files(paths: Iterable[Path]) -> list[Path]:
    """Return the readable files under these paths, sorted. Raises DocumentError for a path that does not exist."""
    files: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files.update(p for p in path.rglob("*") if is_document(p, path) and p.is_file())
        elif path.is_file():
            if path.suffix.lower() not in READERS:
                raise DocumentError(
                    f"{path}: cannot read {path.suffix or 'a file without a suffix'}",
                    f"readable: {', '.join(SUFFIXES)}",
                )
            files.add(path)
        else:
            raise DocumentError(f"{path} does not exist")
    return sorted(files)


def root_of(path: Path, roots: Iterable[Path]) -> Path | None:
    """Return the first of the folders that contains the file; document ids are paths below it. None without one."""
    return next((r for r in roots if path.is_relative_to(r)), None)
