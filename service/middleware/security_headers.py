"""Headers that keep a browser on our side: documents are hostile, and so may be what a model makes of them."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_nonce: ContextVar[str] = ContextVar("nonce", default="")
_FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_UNKEPT = (b"cache-control", b"no-store")
_REST = "; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
# The bench's pages have styles in them, and no script at all.
_REPORTS = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def nonce() -> str:
    """The nonce of the request at hand, for `<script nonce=…>` and `<style nonce=…>` in our own templates."""
    return _nonce.get()


def _policy(path: str) -> str:
    if path.startswith("/reports/"):
        return _REPORTS
    own = f"'self' 'nonce-{_nonce.get()}'"
    if path == "/docs":  # Swagger UI sets styles as it runs
        return f"default-src 'self'; script-src {own}; style-src 'self' 'unsafe-inline'{_REST}"
    return f"default-src 'self'; script-src {own}; style-src {own}{_REST}"


class SecurityHeaders:
    """Adds them to every reply, and hands the templates a fresh nonce."""

    def __init__(self, app: ASGIApp, cross_origin: bool) -> None:
        self._app = app
        fixed = _FIXED | ({"cross-origin-resource-policy": "cross-origin"} if cross_origin else {})
        self._fixed = [(name.encode(), value.encode()) for name, value in fixed.items()]
        self._ours = {*(name for name, _ in self._fixed), b"content-security-policy"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        token = _nonce.set(os.urandom(16).hex())
        policy = (b"content-security-policy", _policy(scope["path"]).encode())

        def added(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                said = [pair for pair in message.get("headers", ()) if pair[0].lower() not in self._ours]
                kept = [] if any(name.lower() == b"cache-control" for name, _ in said) else [_UNKEPT]
                message["headers"] = [*said, *self._fixed, policy, *kept]
            return send(message)

        try:
            await self._app(scope, receive, added)
        finally:
            _nonce.reset(token)
