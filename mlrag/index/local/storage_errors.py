"""Errors of SQLite and the file system, as messages that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlrag.errors import StorageError

_FULL = ("the disk is full", "free some space and do it again; what was stored before is all there")
_READ_ONLY = (
    "it may not be written",
    "give this user the right to write there, or mount it writable; questions are answered meanwhile",
)
_BUSY = (
    "another process is writing to it",
    "wait until it has ended (`mlrag index` and a running service may share a folder, one writing at a time)",
)
_BROKEN = ("it is damaged", "restore it from the backup, or index again with: mlrag index --rebuild")
_OTHER = ("it cannot be used", "look at the disk and at who may write there")
_BY_NAME = {
    "SQLITE_FULL": _FULL,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_CANTOPEN": _READ_ONLY,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_CORRUPT": _BROKEN,
    "SQLITE_NOTADB": _BROKEN,
}
_BY_NUMBER = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
}


def _find_reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        return next((reason for prefix, reason in _BY_NAME.items() if name.startswith(prefix)), _OTHER)
    if isinstance(error, OSError) and error.errno in _BY_NUMBER:
        return _BY_NUMBER[error.errno]
    return _FULL if "No space left" in str(error) else _OTHER  # FAISS and Tantivy pass on the system's message


def storage_error(path: Path, error: Exception) -> StorageError:
    """Return the error that says what is wrong with a file or folder, and what to do."""
    reason, hint = _find_reason(error)
    return StorageError(f"{path}: {reason} ({error})", hint)


@contextmanager
def convert_sqlite_errors(path: Path) -> Iterator[None]:
    """Raise errors of SQLite inside as StorageError."""
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(path, error) from error
