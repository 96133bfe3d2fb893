"""A question on its way: a worker thread answers it, the event loop hears what comes, and can stop it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial

from anyio import CapacityLimiter, WouldBlock
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mlrag.answering.pipeline import Watch
from mlrag.errors import StoppedError
from mlrag.types import Answer, Evidence
from service.threads import Threads

Seen = Evidence | str | Answer
Ask = Callable[[Watch], Answer]
_LOOK = 0.5  # seconds between looks whether the client is still there


class Asking:
    """One question, begun at once. What is seen: evidence, the text so far, and the answer at last.

    `workers` says how many may run at once. One reader hears what is seen; `note` hears the answer in any case, on the
    event loop: what two processors write by turns costs a reply more than the way there.
    """

    def __init__(
        self, ask: Ask, workers: CapacityLimiter, threads: Threads, note: Callable[[Answer], None] | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen: deque[Seen | Exception] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._called = False  # the loop is on its way to the reader
        self._gone = False
        self._last = ""
        self._note = note
        self._workers = workers
        self._threads = threads
        try:
            workers.acquire_on_behalf_of_nowait(self)
        except WouldBlock:
            self._turn = asyncio.create_task(self._wait(ask))
        else:
            self._start(ask)

    def stop(self) -> None:
        """Nobody waits: the model is stopped at the next piece of its reply, or half a second later."""
        self._gone = True

    async def _wait(self, ask: Ask) -> None:
        await self._workers.acquire_on_behalf_of(self)
        self._start(ask)

    def _start(self, ask: Ask) -> None:
        try:
            self._threads.start(partial(copy_context().run, self._work, ask))
        except RuntimeError as error:  # no more threads: the place is free again, and the asker hears it
            self._end(error)

    def _work(self, ask: Ask) -> None:
        result: Answer | Exception
        try:
            if self._gone:  # while it waited for a thread
                raise StoppedError
            result = ask(self._tell)
        except Exception as error:
            result = error
        except BaseException as error:  # a panic in a library's Rust
            result = RuntimeError(repr(error))
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._end, result)

    def _end(self, result: Answer | Exception) -> None:
        self._workers.release_on_behalf_of(self)
        self._seen.append(result)
        self._call()
        if self._note and isinstance(result, Answer):
            self._note(result)

    def _tell(self, seen: Evidence | str) -> None:
        if self._gone:
            raise StoppedError
        if isinstance(seen, str):
            if seen == self._last:
                return
            self._last = seen
        self._seen.append(seen)
        if not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._call)

    def _call(self) -> None:
        self._called = False
        if self._seen:
            self._wake()

    def _wake(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    async def next(self, seconds: float) -> Seen | Exception | None:
        """What is seen next; None where nothing comes for so long."""
        if not self._seen:
            self._reader = self._loop.create_future()
            late = self._loop.call_later(seconds, self._wake)
            try:
                await self._reader
            finally:
                late.cancel()
        return self._seen.popleft() if self._seen else None

    async def first(self, request: Request, seconds: float) -> Seen | None:
        """What is seen first, while the status of the reply is still open. Raises what asking raised."""
        try:
            for _ in range(max(1, round(seconds / _LOOK))):
                seen = await self.next(min(seconds, _LOOK))
                if isinstance(seen, Exception):
                    raise seen
                if seen is not None:
                    return seen
                await self._look(request)
        except BaseException:  # the deadline's cancellation among them
            self.stop()
            raise
        return None

    async def answer(self, request: Request) -> tuple[Answer, list[Evidence]]:
        """The answer and the evidence of each search. Raises what asking raised; StoppedError for a lost client."""
        evidence: list[Evidence] = []
        try:
            while True:
                seen = await self.next(_LOOK)
                if isinstance(seen, Exception):
                    raise seen
                if isinstance(seen, Answer):
                    return seen, evidence
                if isinstance(seen, Evidence):
                    evidence.append(seen)
                elif seen is None:
                    await self._look(request)
        finally:
            self.stop()

    async def _look(self, request: Request) -> None:
        if await request.is_disconnected():
            self.stop()
            raise StoppedError


class Events(StreamingResponse):
    """Server-sent events. However it ends, the asking behind it is stopped."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], asking: Asking) -> None:
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._asking = asking

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._asking.stop()
