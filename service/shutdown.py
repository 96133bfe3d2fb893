"""A service that stops without a failed request: it says so first, and takes requests until nobody sends it any."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from mlrag.settings import Settings

_NOT_STARTED = 3
_CLOSE = (b"connection", b"close")


def draining(app: FastAPI) -> bool:
    """Is it about to stop?"""
    return getattr(app.state, "draining", False)


class Draining(uvicorn.Server):
    """After SIGTERM requests are still taken for so many seconds, each on a connection that is closed with its reply,
    so that a proxy keeps none open on which it could send one too late. Ctrl-C stops at once."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._seconds = seconds
        self._until = 0.0  # by the monotonic clock; until then a wish to stop waits

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.draining = True
        if sig == signal.SIGTERM and not self.should_exit:
            self._until = time.monotonic() + self._seconds
        elif sig == signal.SIGINT:
            self._until = 0.0
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        done = await super().on_tick(counter)
        headers = self.server_state.default_headers
        if self.should_exit and _CLOSE not in headers:
            self.server_state.default_headers = [*headers, _CLOSE]
        return done and time.monotonic() >= self._until


def serve(app: FastAPI, settings: Settings) -> None:
    """Until it is stopped; running answers get `grace` seconds to end. Exits with status 3 where it cannot start."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=settings.grace,
    )
    server = Draining(config, app, settings.drain)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)
