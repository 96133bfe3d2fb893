"""What the middlewares share: error replies, request headers, and a `send` that knows whether a reply began."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
import orjson
from starlette.types import Message, Scope, Send

T = TypeVar("T")


async def call_store(waits: bool, function: Callable[..., T], *args: Any) -> T:
    """Call a function of a store: in a worker thread where it `waits` on another machine, else directly."""
    return await anyio.to_thread.run_sync(partial(function, *args)) if waits else function(*args)


def get_header(scope: Scope, name: str) -> str:
    """Return a request header; "" where there is none."""
    encoded = name.encode()
    for key, value in scope["headers"]:
        if key == encoded:
            return str(value.decode("latin-1"))
    return ""


def client_address(scope: Scope) -> str:
    """Return the caller's address; "" where there is none (a unix socket)."""
    client = scope.get("client")
    return str(client[0]) if client else ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An error reply of a middleware, in the shape of all errors of the service."""

    status: int
    code: str
    message: str
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def retry_later(status: int, code: str, message: str, seconds: float) -> Rejection:
    """Return a rejection that says when to try again."""
    delay = str(max(1, math.ceil(seconds)))
    return Rejection(status, code, message, f"ask again in {delay} s", {"retry-after": delay})


async def send_rejection(send: Send, rejection: Rejection) -> None:
    """Send a rejection as the whole reply."""
    error = {"code": rejection.code, "message": rejection.message, "hint": rejection.hint}
    body = orjson.dumps({"error": error})
    headers = {"content-type": "application/json", "content-length": str(len(body)), **rejection.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": rejection.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


class ReplySender:
    """Wraps `send`; `status` is that of the reply, 0 before it began. Where `closed`, messages are dropped."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.closed = False

    async def __call__(self, message: Message) -> None:
        if self.closed:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
