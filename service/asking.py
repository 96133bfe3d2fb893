"""A question on its way: a worker thread answers it, the event loop hears what comes, and can stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from threading import Event

import anyio
from anyio import CapacityLimiter
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mlrag.errors import StoppedError
from mlrag.pipeline import Watch
from mlrag.records import Answer, Evidence

Seen = Evidence | str | Answer
Ask = Callable[[Watch], Answer]
_LOOK = 0.5  # seconds between looks whether the client is still there


class Asking:
    """One question, begun at once. What is seen: evidence, the text so far, and the answer at last."""

    def __init__(self, ask: Ask, workers: CapacityLimiter) -> None:
        self._queue: asyncio.Queue[Seen | Exception] = asyncio.Queue()
        self._gone = Event()
        self._last = ""
        self._task = asyncio.create_task(self._work(ask, workers))

    def stop(self) -> None:
        """Nobody waits: the model is stopped at the next piece of its reply, or half a second later."""
        self._gone.set()

    async def _work(self, ask: Ask, workers: CapacityLimiter) -> None:
        tell = partial(self._tell, asyncio.get_running_loop())
        result: Answer | Exception
        try:
            result = await anyio.to_thread.run_sync(self._begin, ask, tell, limiter=workers)
        except Exception as error:
            result = error
        self._queue.put_nowait(result)

    def _begin(self, ask: Ask, tell: Watch) -> Answer:
        if self._gone.is_set():  # while it waited for a thread
            raise StoppedError
        return ask(tell)

    def _tell(self, loop: asyncio.AbstractEventLoop, seen: Evidence | str) -> None:
        if self._gone.is_set():
            raise StoppedError
        if isinstance(seen, str):
            if seen == self._last:
                return
            self._last = seen
        loop.call_soon_threadsafe(self._queue.put_nowait, seen)

    async def next(self, seconds: float) -> Seen | Exception | None:
        """What is seen next; None where nothing comes for so long."""
        if not self._queue.empty():
            return self._queue.get_nowait()
        try:
            async with asyncio.timeout(seconds):  # wait_for would make a task
                return await self._queue.get()
        except TimeoutError:
            return None

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
