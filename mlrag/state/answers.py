"""Where kept answers lie: a protocol, and one SQLite file. `mlrag.state.answers_postgres` is the other."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlrag.errors import StorageError
from mlrag.sqlite import open_sqlite

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, made REAL NOT NULL, used REAL NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS answers_by_use ON answers(used);
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheKey:
    """`state` is what all answers over the documents of this moment share; `key` is the one question's."""

    state: str
    key: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as JSON, and its age in seconds."""

    body: bytes
    age: float


class AnswerStore(Protocol):
    """Raises StorageError where they cannot be reached."""

    def find(self, key: str) -> Kept | None: ...

    def keep(self, key: CacheKey, body: bytes, size: int) -> None:
        """Store an answer in place of the previous one with its key.

        Answers of other states are deleted, and the least recently used ones beyond `size`.
        """

    def close(self) -> None: ...


class SqliteAnswers:
    """One file; in memory alone where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _open(path)
        except (sqlite3.Error, OSError) as error:
            _log.warning("answers are kept in memory alone, %s cannot be written: %s", path, error)
            self._connection = _open(":memory:")

    def close(self) -> None:
        """Leave one file behind, without its journal."""
        with self._lock:
            self._connection.close()

    def find(self, key: str) -> Kept | None:
        now = time.time()
        try:
            with self._lock:
                row = self._connection.execute("SELECT made, body FROM answers WHERE key = ?", (key,)).fetchone()
                if row is None:
                    return None
                self._connection.execute("UPDATE answers SET used = ? WHERE key = ?", (now, key))
        except sqlite3.Error as error:
            raise _unusable(error) from error
        return Kept(row[1], max(0.0, now - row[0]))

    def keep(self, key: CacheKey, body: bytes, size: int) -> None:
        now = time.time()
        try:
            with self._lock, self._connection as c:
                c.execute("BEGIN IMMEDIATE")
                c.execute("DELETE FROM answers WHERE state != ?", (key.state,))
                c.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", (key.key, key.state, now, now, body))
                c.execute(
                    "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY used DESC LIMIT -1 OFFSET ?)",
                    (size,),
                )
        except sqlite3.Error as error:
            raise _unusable(error) from error


def _unusable(error: sqlite3.Error) -> StorageError:
    return StorageError(f"answers.sqlite cannot be used: {error}", "delete it; it is made anew")


def _open(path: Path | str) -> sqlite3.Connection:
    connection = open_sqlite(path, _SCHEMA, 5, synchronous="NORMAL", secure_delete="ON")
    try:
        connection.execute("DELETE FROM answers WHERE 0")  # a file that can only be read fails here
    except sqlite3.Error:
        connection.close()
        raise
    return connection
