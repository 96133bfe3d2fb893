"""How SQLite files are opened: the index stores, cached answers and the budget's book are such files."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def open_sqlite(path: Path | str, schema: str, wait: float, **pragmas: str | int) -> sqlite3.Connection:
    """Open a file with a write-ahead log and make the tables of `schema` that are missing.

    Transactions are begun by hand, and any thread may use the connection.

    Args:
        wait: seconds that a statement waits for another process's transaction.
        pragmas: further settings of the connection, e.g. `synchronous="FULL"`.

    Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
    try:
        for name, value in {"journal_mode": "WAL", **pragmas}.items():
            connection.execute(f"PRAGMA {name}={value}")
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
