"""Threads for questions. Work goes to the one that has waited the shortest: where four took turns, a reply without an
answer to find cost up to half as much again on a busy machine."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

_PATIENCE = 2.0  # seconds that a thread waits for work; a process that ends without a word waits for it

Work = Callable[[], object]


class Threads:
    """As many as there is work at once, which the caller bounds; at most `most` wait for more. For one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: list[SimpleQueue[Work | None]] = []

    def start(self, work: Work) -> None:
        """Raises nothing of what the work raises: that ends its thread."""
        if self._waiting:
            self._waiting.pop().put(work)
        else:
            Thread(target=self._run, args=(work,), name="asking").start()

    def close(self) -> None:
        """Those that wait end now, the others when their work does."""
        self._most = 0
        while self._waiting:
            self._waiting.pop().put(None)

    def _run(self, work: Work | None) -> None:
        own: SimpleQueue[Work | None] = SimpleQueue()
        while work:
            work()
            work = None
            if len(self._waiting) < self._most:
                self._waiting.append(own)
                work = self._next(own)

    def _next(self, own: SimpleQueue[Work | None]) -> Work | None:
        """None where nothing came for so long."""
        try:
            return own.get(timeout=_PATIENCE)
        except Empty:
            try:
                self._waiting.remove(own)
            except ValueError:  # work is on its way already
                return own.get()
            return None
