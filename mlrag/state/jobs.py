"""Notices that tell how work goes which takes longer than a request; any process that shares the board finds them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

_KEPT = 256


@dataclass(frozen=True, slots=True)
class Notice:
    """`silent`: the process that works on it has not been heard of for a while; it is likely dead."""

    body: str
    finished: bool
    silent: bool = False


class Board(Protocol):
    """Finished notices are forgotten after some time. `waits`: a call may wait on another machine. Raises
    StorageError."""

    waits: bool

    def post(self, name: str, body: str, finished: bool) -> None:
        """Put a notice up, in the place of what has its name."""

    def find(self, name: str) -> Notice | None: ...

    def beat(self, names: Collection[str]) -> None:
        """These are being worked on."""


class OwnBoard:
    """In this process; the last 256 finished notices are remembered."""

    waits = False

    def __init__(self) -> None:
        self._notices: dict[str, Notice] = {}
        self._lock = Lock()

    def post(self, name: str, body: str, finished: bool) -> None:
        with self._lock:
            self._notices[name] = Notice(body, finished)
            done = [name for name, notice in self._notices.items() if notice.finished]
            for old in done[: max(0, len(done) - _KEPT)]:
                del self._notices[old]

    def find(self, name: str) -> Notice | None:
        return self._notices.get(name)

    def beat(self, names: Collection[str]) -> None:
        """A process that is dead holds no notices."""
