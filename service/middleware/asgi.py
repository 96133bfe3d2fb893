"""What the pieces around the app share: the shape of a refusal, headers, and a sender that knows if a reply began."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
import orjson
from starlette.types import Message, Scope, Send

T = TypeVar("T")


async def called(waits: bool, work: Callable[..., T], *values: Any) -> T:
    """The result of some work: in a thread where it waits on another machine, else at once."""
    return await anyio.to_thread.run_sync(partial(work, *values)) if waits else work(*values)


def header(scope: Scope, name: str) -> str:
    """A request header; "" without it."""
    sought = name.encode()
    for key, value in scope["headers"]:
        if key == sought:
            return str(value.decode("latin-1"))
    return ""


def client_of(scope: Scope) -> str:
    """The caller's address; "" where there is none (a unix socket)."""
    client = scope.get("client")
    return str(client[0]) if client else ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error in the shape that all of the service's errors have."""

    status: int
    code: str
    message: str
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def come_back(status: int, code: str, message: str, seconds: float) -> Refusal:
    """A refusal that says when to try again."""
    after = str(max(1, math.ceil(seconds)))
    return Refusal(status, code, message, f"ask again in {after} s", {"retry-after": after})


async def refuse(send: Send, why: Refusal) -> None:
    """Send it as the whole reply."""
    body = orjson.dumps({"error": {"code": why.code, "message": why.message, "hint": why.hint}})
    named = {"content-type": "application/json", "content-length": str(len(body)), **why.headers}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": why.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class Sender:
    """`send`, with the status of the reply that went through it, 0 before one began. Closed: it drops the rest.

    It hands on what is to be awaited, and so do the others around a reply: a coroutine a layer would cost more than
    what the layer does.
    """

    __slots__ = ("_send", "closed", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.closed = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if self.closed:
            return _dropped()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        return self._send(message)


async def _dropped() -> None:
    """Nobody reads it."""
