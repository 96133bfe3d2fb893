"""Answer one question in a worker thread; events are read on the event loop, which can also stop the work."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mlrag.answering.pipeline import Watch
from mlrag.errors import StoppedError
from mlrag.types import Answer, Evidence

AnswerEvent = Evidence | str | Answer
AnswerFunction = Callable[[Watch], Answer]
_DISCONNECT_POLL = 0.5  # seconds between checks whether the client is still connected


class AnswerTask:
    """One question, started at once: its events are evidence, the text so far, and finally the answer.

    Args:
        answer_question: Runs in a worker thread and reports progress to the function that it is given.
        limiter: Bounds how many questions are answered at once.
        on_answer: Called with the answer on the event loop, even where the client has left.
    """

    def __init__(
        self,
        answer_question: AnswerFunction,
        limiter: CapacityLimiter,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[AnswerEvent | Exception](math.inf)
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._last_text = ""
        self._on_answer = on_answer
        self._task = asyncio.create_task(self._run(answer_question, limiter))  # kept: the loop holds tasks weakly

    def stop(self) -> None:
        """Ask the worker to stop: it does at the next piece of the model's reply, at the latest after half a second."""
        self._stopped = True

    async def _run(self, answer_question: AnswerFunction, limiter: CapacityLimiter) -> None:
        result: Answer | Exception
        try:
            result = await anyio.to_thread.run_sync(self._work, answer_question, limiter=limiter)
        except asyncio.CancelledError:  # the event loop is closing
            raise
        except Exception as error:
            result = error
        except BaseException as error:  # a panic in a library's Rust code is no Exception
            result = RuntimeError(repr(error))
        self._send.send_nowait(result)
        if self._on_answer and isinstance(result, Answer):
            self._on_answer(result)

    def _work(self, answer_question: AnswerFunction) -> Answer:
        if self._stopped:  # while it waited for a worker thread
            raise StoppedError
        return answer_question(self._report)

    def _report(self, event: Evidence | str) -> None:
        """Hand an event to the event loop. Raises StoppedError where the question was stopped."""
        if self._stopped:
            raise StoppedError
        if isinstance(event, str):
            if event == self._last_text:
                return
            self._last_text = event
        self._loop.call_soon_threadsafe(self._send.send_nowait, event)

    async def next_event(self, seconds: float) -> AnswerEvent | Exception | None:
        """Return the next event, the exception that ended the work, or None where nothing comes within `seconds`."""
        with anyio.move_on_after(seconds):
            return await self._receive.receive()
        return None

    async def first_event(self, request: Request, seconds: float) -> AnswerEvent | None:
        """Return the first event, while the status of the reply is still open.

        None after `seconds` without one. Raises what answering raised; StoppedError where the client has left.
        """
        try:
            for _ in range(max(1, round(seconds / _DISCONNECT_POLL))):
                event = await self.next_event(min(seconds, _DISCONNECT_POLL))
                if isinstance(event, Exception):
                    raise event
                if event is not None:
                    return event
                await self._check_client(request)
        except BaseException:  # including the cancellation by the deadline
            self.stop()
            raise
        return None

    async def wait_answer(self, request: Request) -> tuple[Answer, list[Evidence]]:
        """Return the answer and the evidence of each search.

        Raises what answering raised; StoppedError where the client has left.
        """
        evidence: list[Evidence] = []
        try:
            while True:
                event = await self.next_event(_DISCONNECT_POLL)
                if isinstance(event, Exception):
                    raise event
                if isinstance(event, Answer):
                    return event, evidence
                if isinstance(event, Evidence):
                    evidence.append(event)
                elif event is None:
                    await self._check_client(request)
        finally:
            self.stop()

    async def _check_client(self, request: Request) -> None:
        if await request.is_disconnected():
            self.stop()
            raise StoppedError


class EventStreamResponse(StreamingResponse):
    """Server-sent events of one answer task, which is stopped when the response ends in any way."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], task: AnswerTask) -> None:
        super().__init__(content, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._answer_task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer_task.stop()
