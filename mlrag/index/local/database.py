"""The SQLite file below a store: a few connections for readers, and transactions with a commit number.

A commit is on the disk before it is acknowledged: WAL with synchronous=FULL. Each has a random stamp, so that what was
derived from a commit which a restored backup undid is never taken for the commit that came in its place.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, LifoQueue
from typing import Any
from urllib.parse import quote

from mlrag.index.local.storage_errors import convert_sqlite_errors, storage_error
from mlrag.sqlite import open_sqlite

WAIT = 30.0  # seconds that a writer waits for another process
_CACHE_KIB = 256  # of pages that a connection may hold; the system caches the file
_IDLE = 8  # connections that stay open while nobody reads
_COMMIT = "SELECT value FROM meta WHERE key = 'commit'"
_STAMPS = 256  # commits whose stamps are kept


class Database:
    """Raises StorageError where the file cannot be opened. In a folder that cannot be written it can be read."""

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._local = threading.local()
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue(_IDLE)
        self._immutable = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(path.parent, error) from error
        with self._connection():
            self._seen = self._identity()

    def _identity(self) -> tuple[int, int]:
        stat = self.path.stat()
        return stat.st_ino, stat.st_mtime_ns if self._immutable else 0

    @property
    def is_current(self) -> bool:
        """Is the file still the one that was opened? `mlrag index --rebuild` puts another in its place."""
        try:
            return self._identity() == self._seen
        except FileNotFoundError:
            return False

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to this thread; inside a transaction, its connection. Under WAL, readers never wait for a
        writer."""
        held: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if held is not None:
            yield held
            return
        with convert_sqlite_errors(self.path):
            connection = self._local.connection = self._borrow()
        try:
            yield connection
        finally:
            self._local.connection = None
            self._give_back(connection)

    def _borrow(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:  # its end failed: whoever got it next would read the past
            connection.close()
            return
        try:
            self._idle.put_nowait(connection)
        except Full:
            connection.close()

    def _fetch_all(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of one statement."""
        with self._connection() as connection:
            return connection.execute(statement, values).fetchall()

    def _fetch_one(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Return the first row; None where there is none."""
        return next(iter(self._fetch_all(statement, values)), None)

    def _open(self) -> sqlite3.Connection:
        try:
            return open_sqlite(
                self.path, self._schema, WAIT, synchronous="FULL", foreign_keys="ON", cache_size=-_CACHE_KIB
            )
        except sqlite3.OperationalError as error:
            readable = error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))
            if not readable or not self.path.is_file() or self._has_unmerged_commits():
                raise
        self._immutable = True
        address = f"file:{quote(str(self.path))}?immutable=1"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    def _has_unmerged_commits(self) -> bool:
        """Does a journal hold commits that reading the file alone would miss?"""
        journal = self.path.with_name(f"{self.path.name}-wal")
        return journal.is_file() and journal.stat().st_size > 0

    def close(self) -> None:
        """Close the connections that nobody reads with."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all that is done inside as one commit, or nothing. Raises StorageError."""
        with self._connection() as connection, convert_sqlite_errors(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                commit = int(self._read_meta("commit") or 0) + 1
                self._write_meta("commit", str(commit))
                self._write_meta(f"stamp:{commit}", secrets.token_hex(8))
                connection.execute("DELETE FROM meta WHERE key = ?", (f"stamp:{commit - _STAMPS}",))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite undoes some of its own failures itself
                    connection.execute("ROLLBACK")
                raise

    def _read_meta(self, key: str) -> str | None:
        row = self._fetch_one("SELECT value FROM meta WHERE key = ?", (key,))
        return row[0] if row else None

    def _write_meta(self, key: str, value: str) -> None:
        with self._connection() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def commit(self) -> int:
        """Grows by one with every transaction; 0 for an empty store."""
        row = self._fetch_one(_COMMIT)
        return int(row[0]) if row else 0

    def stamp(self, commit: int) -> str:
        """Return the random stamp of a commit; "" for one that is unknown, or long ago."""
        return self._read_meta(f"stamp:{commit}") or ""

    @contextmanager
    def read_transaction(self) -> Iterator[int]:
        """Let this thread read from one commit, whose number this yields; a writer is not held up."""
        held: int | None = getattr(self._local, "commit", None)
        if held is not None:
            yield held
            return
        with self._connection() as connection:
            if connection.in_transaction:
                yield self.commit
                return
            with convert_sqlite_errors(self.path):
                connection.execute("BEGIN")
                try:
                    row = connection.execute(_COMMIT).fetchone()
                    self._local.commit = commit = int(row[0]) if row else 0
                    yield commit
                finally:
                    self._local.commit = None
                    connection.execute("COMMIT")
