"""Limits: bytes of a body, requests a minute, questions at once, seconds a request."""

from __future__ import annotations

import asyncio
import time
from functools import cached_property
from typing import TYPE_CHECKING

from anyio import CancelScope, Semaphore
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlrag.settings import Settings
from mlrag.state.rate_limit import RateLimiter
from service.middleware.asgi import (
    Rejection,
    ReplySender,
    call_store,
    client_address,
    get_header,
    retry_later,
    send_rejection,
)
from service.permissions import required_permission

if TYPE_CHECKING:
    from limits import RateLimitItem


class BodyLimit:
    """413 for a body that is too long, by its header or while it is read: the rest of it is not read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._max_body = settings.max_body
        self._max_upload = settings.max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        uploads = required_permission(scope["method"], scope["path"]).uploads
        limit = self._max_upload if uploads else self._max_body
        length = get_header(scope, "content-length")
        if length.isascii() and length.isdecimal() and int(length) > limit:
            return await _send_too_large(send, limit)
        limited, sender = _LimitedReceive(receive, limit), ReplySender(send)

        async def send_unless_exceeded(message: Message) -> None:
            """Replace what the app replies to a cut body, for example that it is no valid JSON."""
            if limited.exceeded and not sender.status:
                await _send_too_large(sender, limit)
                sender.closed = True
            await sender(message)

        try:
            await self._app(scope, limited, send_unless_exceeded)
        except ClientDisconnect:
            if not limited.exceeded or sender.status:
                raise
            await _send_too_large(sender, limit)


class _LimitedReceive:
    """`receive` that ends a body grown too long with a disconnect, so that nobody takes its start for all of it."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left = receive, limit
        self.exceeded = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left >= 0:
            return message
        self.exceeded = True
        return {"type": "http.disconnect"}


async def _send_too_large(send: Send, limit: int) -> None:
    await send_rejection(send, Rejection(413, "too_large", f"the body is longer than {limit} bytes", "send less"))


class RateLimit:
    """429 for a key that asks too often; without keys only this machine is answered, without a limit."""

    def __init__(self, app: ASGIApp, settings: Settings, window: RateLimiter) -> None:
        self._app = app
        self._setting = settings.rate_limit
        self._window = window

    @cached_property
    def _rates(self) -> list[RateLimitItem]:
        from limits import parse_many

        return parse_many(self._setting) if self._setting else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["state"]["keyed"]:
            return await self._app(scope, receive, send)
        if required_permission(scope["method"], scope["path"]).scope:
            who = scope["state"]["key"] or f"address {client_address(scope)}"
            rejection = await call_store(self._window.waits, self._count_request, who)
            if rejection:
                return await send_rejection(send, rejection)
        return await self._app(scope, receive, send)

    def _count_request(self, who: str) -> Rejection | None:
        """Count a request; return a rejection where one of the rates is used up."""
        for rate in self._rates:
            if not self._window.hit(rate, who):
                seconds = self._window.opens_in(rate, who)
                return retry_later(429, "too_many_requests", f"more than {rate}", seconds)
        return None


class Deadline:
    """504 for a request that takes too long; a reply that had begun is cut, which its reader sees.

    A question stops at its next event, or within half a second of a model's silence. Other work in a worker thread
    cannot be stopped: it keeps its slot until it ends, and its reply is dropped.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._seconds = settings.deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        sender = ReplySender(send)
        replies: list[asyncio.Task[None]] = []

        # Not anyio.move_on_after: work in a thread cannot be cancelled, and the 504 must not wait for its end.
        def expire() -> None:
            sender.closed = True
            cancel_scope.cancel()
            if not sender.status:
                message = f"no answer within {self._seconds:g} s"
                rejection = Rejection(504, "deadline", message, "ask again, or ask for less")
                replies.append(asyncio.create_task(send_rejection(send, rejection)))

        try:
            with CancelScope() as cancel_scope:
                timer = asyncio.get_running_loop().call_later(self._seconds, expire)
                try:
                    await self._app(scope, receive, sender)
                finally:
                    timer.cancel()
        finally:
            for reply in replies:  # the rejection is sent before the request is over
                await reply


class QuestionQueue:
    """At most `max_asks` questions run at once and `max_waiting` wait; the rest get 503 and when to come back."""

    def __init__(self, app: ASGIApp, settings: Settings, slots: Semaphore) -> None:
        self._app = app
        self._slots = slots
        self._max_running = settings.max_asks
        self._max_waiting = settings.max_waiting
        self._seconds = 1.0  # moving average of a question's duration

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not required_permission(scope["method"], scope["path"]).asks:
            return await self._app(scope, receive, send)
        waiting = self._slots.statistics().tasks_waiting
        if not self._slots.value and waiting >= self._max_waiting:
            rounds = 1 + waiting / self._max_running
            rejection = retry_later(503, "busy", "too many questions at once", rounds * self._seconds)
            return await send_rejection(send, rejection)
        async with self._slots:
            begun = time.monotonic()
            try:
                await self._app(scope, receive, send)
            finally:
                self._seconds += 0.2 * (time.monotonic() - begun - self._seconds)
