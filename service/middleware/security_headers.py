"""Headers that make a browser distrust the page's content: documents, and what a model makes of them, are hostile."""

from __future__ import annotations

import os
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
_NO_STORE = (b"cache-control", b"no-store")
_COMMON_POLICY = "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
# The pages of evaluation reports have inline styles, and no script at all.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def nonce() -> str:
    """Return the nonce of the current request, for `<script nonce=…>` and `<style nonce=…>` in our own templates."""
    return _nonce.get()


def _content_policy(path: str) -> str:
    if path.startswith("/reports/"):
        return _REPORT_POLICY
    source = f"'self' 'nonce-{_nonce.get()}'"
    if path == "/docs":  # Swagger UI sets styles as it runs
        return f"default-src 'self'; script-src {source}; style-src 'self' 'unsafe-inline'; {_COMMON_POLICY}"
    return f"default-src 'self'; script-src {source}; style-src {source}; {_COMMON_POLICY}"


class SecurityHeaders:
    """Adds security headers to every reply, and gives each request a fresh nonce."""

    def __init__(self, app: ASGIApp, cross_origin: bool) -> None:
        self._app = app
        fixed = _FIXED | ({"cross-origin-resource-policy": "cross-origin"} if cross_origin else {})
        self._fixed = [(name.encode(), value.encode()) for name, value in fixed.items()]
        self._replaced = {*(name for name, _ in self._fixed), b"content-security-policy"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        token = _nonce.set(os.urandom(16).hex())
        policy = (b"content-security-policy", _content_policy(scope["path"]).encode())

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() not in self._replaced]
                cached = any(name.lower() == b"cache-control" for name, _ in headers)
                message["headers"] = [*headers, *self._fixed, policy, *([] if cached else [_NO_STORE])]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            _nonce.reset(token)
