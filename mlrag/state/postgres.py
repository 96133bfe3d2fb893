"""The connection that shared state goes over, apart from that of the documents: a slow search holds up no key."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from pybreaker import CircuitBreaker, CircuitBreakerError

from mlrag.errors import StoreUnreachableError
from mlrag.index.postgres.server import Connection, Server

T = TypeVar("T")
_BRIEF = 0.5  # seconds that a request waits for what it can do without
_REST = 5.0  # seconds without a try after a failure
_SETTINGS = "-c statement_timeout=5s -c lock_timeout=500ms"


@cache
def shared_server(url: str) -> Server:
    """One a server and process. Raises StorageError where no host answers."""
    return Server(url, settings=_SETTINGS, readers=4, writers=8)


class Dispensable:
    """Work on the primary that a request can do without: half a second at most, and left alone for five after a
    failure, so that a server in trouble does not slow every request down."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._breaker = CircuitBreaker(1, _REST, throw_new_error_on_trip=False)

    def do(self, work: Callable[[Connection], T]) -> T:
        """Raises StorageError."""
        try:
            with self._breaker.calling():
                return self._server.tend(work, _BRIEF)
        except CircuitBreakerError as error:
            raise StoreUnreachableError(f"{self._server.name}: left alone for {_REST:.0f} s after a failure") from error
