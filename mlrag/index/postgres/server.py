"""Pooled connections to one server or several hosts of one: reads go to any that answers, writes to the primary.

A lost connection is not an error at once: what was asked is asked again until a host answers, or time is up. That is
safe for writes too: a put or delete is whole or not at all, and done twice it gives the same.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from pgvector.psycopg import register_vector
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from mlrag.errors import StorageError, StoreUnreachableError
from mlrag.index.postgres.schema import MIGRATIONS

Connection = psycopg.Connection[Any]
T = TypeVar("T")
WAIT = 30.0  # seconds that an operation may wait for a host that serves it
_PAUSE = 0.1
_TIME_TO_ASK = 1.0  # seconds: who waits at least so long is told why in vain
_CONNECT = 3  # seconds for one host to let us in
_READERS, _WRITERS = 16, 4  # connections at most
_QUEUE = 300  # seconds that a change may wait for another one of its language
_LOST = ("08", "57P", "25006", "40")  # failed connections, a server that stops, no primary any more, "once again"
_SETTINGS = "-c hnsw.ef_search=200 -c hnsw.iterative_scan=strict_order -c jit=off"
_LOCK = 0x6D6C726167  # of the migrations
_BY_STATE = {
    "53100": ("its disk is full", "free some space there and do it again; what was stored before is all there"),
    "28": ("it does not let this user in", "look at the user and password in MLRAG_STORE_URL"),
    "3D000": ("it has no such database", "make it with: createdb NAME"),
    "55P03": ("another change of this language does not end", "wait for it, look at the server's log, do it again"),
    "42501": ("this user may not do that", "give the user the right to create schemas and extensions, or create them"),
    "58P01": ("it has no pgvector", "install pgvector 0.8 or newer on the server"),
    "0A000": ("it has no pgvector", "install pgvector 0.8 or newer on the server"),
}
_UNCONFIRMED = (
    "it is stored on the primary alone; start the standby again, or take it out of synchronous_standby_names, then do "
    "the change again"
)
_CROWDED = ("too many clients", "remaining connection slots", "too many connections")  # it says no more than this
_OTHER = ("it cannot be used", "look at its log; MLRAG_STORE_URL says where it is")


class Server:
    """Raises StorageError, also for what PostgreSQL says inside `read` and `write`. Passwords are never told.

    `wait`: seconds that an operation may wait for a host that serves it, and a change for the standby that confirms it.
    `settings`: of each connection, as libpq's options say them. `readers` and `writers`: connections at most.
    """

    def __init__(
        self,
        url: str,
        wait: float = WAIT,
        *,
        settings: str = _SETTINGS,
        readers: int = _READERS,
        writers: int = _WRITERS,
    ) -> None:
        self._wait = wait
        parts = _parts(url)
        self.hosts = hosts(url)
        self.name = f"postgresql at {', '.join(self.hosts) or 'a local socket'}"
        parts["options"] = f"{parts.get('options') or ''} {settings}".strip()
        self._any = make_conninfo(**{**parts, "target_session_attrs": "any"})
        parts["options"] += f" -c lock_timeout={_QUEUE}s"
        self._primary = make_conninfo(**{**parts, "target_session_attrs": "read-write"})
        self._migrate()
        self._readers = _pool(self._any, readers)
        self._writers = _pool(self._primary, writers)
        atexit.register(self.close)

    def close(self) -> None:
        """Give the connections back."""
        atexit.unregister(self.close)
        self._readers.close()
        self._writers.close()

    def read(self, work: Callable[[Connection], T]) -> T:
        """The result of some work that only reads."""
        return self._run(self._readers, self._any, work, self._wait)

    def write(self, work: Callable[[Connection], T], wait: float | None = None) -> T:
        """The result of some work in one transaction on the primary; it may be done twice, one of them undone.

        Raises StorageError where a synchronous standby does not confirm it in time: it is on the primary then, and
        nowhere else. Work itself may take as long as it needs.
        """
        patience = self._wait if wait is None else wait

        def whole(connection: Connection) -> T:
            with self._require_confirmation(connection, patience) as ended, connection.transaction():
                result = work(connection)
                ended()
            return result

        return self._run(self._writers, self._primary, whole, patience)

    @contextmanager
    def _require_confirmation(self, connection: Connection, patience: float) -> Iterator[Callable[[], None]]:
        """What is called at the end of the work starts the clock: COMMIT would wait for a lost standby for ever."""
        given_up = threading.Event()

        def give_up() -> None:
            given_up.set()
            connection.cancel_safe(timeout=_CONNECT)

        clock = threading.Timer(patience, give_up)
        clock.daemon = True
        try:
            yield clock.start
        finally:
            clock.cancel()
            if given_up.is_set():
                clock.join()
        if given_up.is_set():
            raise StorageError(f"{self.name}: no standby confirmed the change in {patience:g} s", _UNCONFIRMED)

    def tend(self, work: Callable[[Connection], T], wait: float | None = None) -> T:
        """The result of some work on the primary outside a transaction, as VACUUM wants it."""
        return self._run(self._writers, self._primary, work, self._wait if wait is None else wait)

    def _run(self, pool: ConnectionPool[Connection], url: str, work: Callable[[Connection], T], wait: float) -> T:
        until = time.monotonic() + wait
        while True:
            try:
                with pool.connection(timeout=max(_PAUSE, until - time.monotonic())) as connection:
                    return work(connection)
            except PoolTimeout:
                raise self._unreachable(url if wait >= _TIME_TO_ASK else "") from None
            except psycopg.Error as error:
                if not _lost(error) or time.monotonic() > until:
                    raise self.error(error) from error
                time.sleep(_PAUSE)
                pool.check()

    def _unreachable(self, url: str) -> StorageError:
        """Why, asked of the server; who waits briefly has no time to ask."""
        if not url:
            return StoreUnreachableError(f"{self.name}: it did not answer in time")
        try:
            psycopg.connect(url).close()
        except psycopg.Error as error:
            return self.error(error)
        return StoreUnreachableError(f"{self.name}: too many wait for a connection", "try again in a moment")

    def error(self, error: psycopg.Error) -> StorageError:
        """What it says, and what mends it."""
        state = error.sqlstate or ""
        said, hint = next((s for known, s in _BY_STATE.items() if state.startswith(known)), _OTHER)
        if state == "53300" or any(c in str(error) for c in _CROWDED):
            said, hint = f"{self.name}: it has no connection left", "raise its max_connections, or run fewer processes"
            return StoreUnreachableError(said, hint)
        if not state and isinstance(error, psycopg.OperationalError):
            said = f"{self.name}: no host answers that can do this ({str(error).strip()})"
            return StoreUnreachableError(said, "start the server; after a lost primary, promote a standby")
        return StorageError(f"{self.name}: {said} ({str(error).strip()})", hint)

    def _migrate(self) -> None:
        try:
            with psycopg.connect(self._any, autocommit=True) as connection:
                if _version(connection) == len(MIGRATIONS):
                    return
            with psycopg.connect(self._primary) as connection:
                connection.execute("SET LOCAL synchronous_commit = local")
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                self._apply(connection)
        except psycopg.Error as error:
            raise self.error(error) from error

    def _apply(self, connection: Connection) -> None:
        done = _version(connection)
        if done > len(MIGRATIONS):
            raise StorageError(f"{self.name}: its tables are of a newer mlrag", "update mlrag on this machine")
        if not done:
            connection.execute("CREATE SCHEMA IF NOT EXISTS mlrag")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute("CREATE TABLE mlrag.migration (version int PRIMARY KEY, at timestamptz DEFAULT now())")
        for version, statements in enumerate(MIGRATIONS[done:], done + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO mlrag.migration VALUES (%s)", (version,))


def _version(connection: Connection) -> int:
    found = connection.execute("SELECT to_regclass('mlrag.migration')").fetchone()
    if not found or found[0] is None:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM mlrag.migration").fetchone()
    return int(row[0]) if row else 0


def _pool(url: str, most: int) -> ConnectionPool[Connection]:
    settings = {"autocommit": True, "prepare_threshold": None}
    return ConnectionPool(url, min_size=0, max_size=most, kwargs=settings, configure=register_vector, open=True)


def _lost(error: psycopg.Error) -> bool:
    if not error.sqlstate:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_LOST)


def _parts(url: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(url, connect_timeout=_CONNECT))
    except psycopg.ProgrammingError:  # its message repeats the address, which may hold a password
        raise StorageError("that is no PostgreSQL address", "postgresql://USER@HOST:PORT/DATABASE") from None


def hosts(url: str) -> tuple[str, ...]:
    """The machines of an address, as "host:port"; a socket in a folder is none. Raises StorageError."""
    parts = _parts(url)
    names = str(
        parts.get("hostaddr") or parts.get("host") or os.environ.get("PGHOSTADDR") or os.environ.get("PGHOST") or ""
    ).split(",")
    ports = str(parts.get("port") or 5432).split(",")
    ports = ports * len(names) if len(ports) == 1 else ports
    service = parts.get("service") or os.environ.get("PGSERVICE")
    if service:  # libpq's file says which machine it is
        return (f"service {service}:0",)
    return tuple(f"{h}:{p}" for h, p in zip(names, ports, strict=False) if h and not h.startswith("/"))
