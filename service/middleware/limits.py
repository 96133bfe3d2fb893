"""Bounds: bytes of a body, requests a minute, questions at once, seconds a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from functools import cached_property
from typing import TYPE_CHECKING

from anyio import CancelScope, Semaphore
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlrag.settings import Settings
from mlrag.state.rate_limit import Rates
from service.middleware.asgi import Refusal, Sender, called, client_of, come_back, header, refuse
from service.permissions import need_of

if TYPE_CHECKING:
    from limits import RateLimitItem


class BodyLimit:
    """413 for a body that is, or turns out to be, too long."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._limits = {False: settings.max_body, True: settings.max_upload}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most = self._limits[need_of(scope["method"], scope["path"]).uploads]
        said = header(scope, "content-length")
        if said.isascii() and said.isdecimal() and int(said) > most:
            return await _too_large(send, most)
        counted = _Counted(receive, most)
        sender = Sender(send)

        def guarded(message: Message) -> Awaitable[None]:
            return refused() if counted.exceeded and not sender.status else sender(message)

        async def refused() -> None:
            await _too_large(sender, most)
            sender.closed = True

        try:
            await self._app(scope, counted, guarded)
        except ClientDisconnect:
            if not counted.exceeded or sender.status:
                raise
            await _too_large(sender, most)


class _Counted:
    """`receive` that ends a body grown too long as if the caller had gone: nobody takes its start for all of it."""

    __slots__ = ("_left", "_receive", "exceeded")

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most
        self.exceeded = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left >= 0:
            return message
        self.exceeded = True
        return {"type": "http.disconnect"}


async def _too_large(send: Send, most: int) -> None:
    await refuse(send, Refusal(413, "too_large", f"the body is longer than {most} bytes", "send less at once"))


class RateLimit:
    """429 for a key that asks too often; without keys there is only this machine, and no limit."""

    def __init__(self, app: ASGIApp, settings: Settings, window: Rates) -> None:
        self._app = app
        self._said = settings.rate_limit
        self._window = window

    @cached_property
    def _rates(self) -> list[RateLimitItem]:
        from limits import parse_many

        return parse_many(self._said) if self._said else []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["state"]["keyed"] and need_of(scope["method"], scope["path"]).scope:
            who = scope["state"]["key"] or f"address {client_of(scope)}"
            full = await called(self._window.waits, self._full, who)
            if full:
                return await refuse(send, full)
        return await self._app(scope, receive, send)

    def _full(self, who: str) -> Refusal | None:
        """Count a request; why it may not pass, where a rate is used up."""
        full = next((rate for rate in self._rates if not self._window.hit(rate, who)), None)
        if full is None:
            return None
        return come_back(429, "too_many_requests", f"more than {full}", self._window.opens_in(full, who))


class Deadline:
    """504 for a request that takes too long; a reply that had begun is cut, which its reader sees.

    A question stops at the next thing it tells, or within half a second of a model's silence. Other work in a thread
    cannot be stopped: it keeps its place until it ends, and its reply is dropped.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._seconds = settings.deadline

    @cached_property
    def _scope(self) -> type[CancelScope]:
        """The kind of this event loop; `CancelScope` itself would look for the loop at every request."""
        return type(CancelScope())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        sender = Sender(send)
        said: list[asyncio.Task[None]] = []
        try:
            with self._scope() as running:
                watch = asyncio.get_running_loop().call_later(self._seconds, self._late, sender, send, running, said)
                try:
                    await self._app(scope, receive, sender)
                finally:
                    watch.cancel()
        finally:
            for task in said:  # what it says goes out before the request is over
                await task

    def _late(self, sender: Sender, send: Send, running: CancelScope, said: list[asyncio.Task[None]]) -> None:
        sender.closed = True
        running.cancel()
        if not sender.status:
            late = f"no answer within {self._seconds:g} s"
            why = Refusal(504, "deadline", late, "ask again, or ask for less")
            said.append(asyncio.create_task(refuse(send, why)))


class Queue:
    """At most so many questions at once; so many more wait; the rest get 503 and when to come back."""

    def __init__(self, app: ASGIApp, settings: Settings, places: Semaphore) -> None:
        self._app = app
        self._places = places
        self._most = settings.max_asks
        self._most_waiting = settings.max_waiting
        self._seconds = 1.0  # what a question takes, as a moving mean

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not need_of(scope["method"], scope["path"]).asks:
            return await self._app(scope, receive, send)
        if not self._places.value and (waiting := self._places.statistics().tasks_waiting) >= self._most_waiting:
            rounds = 1 + waiting / self._most
            return await refuse(send, come_back(503, "busy", "too many questions at once", rounds * self._seconds))
        async with self._places:
            begun = time.monotonic()
            try:
                await self._app(scope, receive, send)
            finally:
                self._seconds += 0.2 * (time.monotonic() - begun - self._seconds)
