"""Stop without a failed request: say so at /readyz first, and take requests until the proxies have noticed."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from mlrag.settings import Settings

_EXIT_NOT_STARTED = 3
_CLOSE = (b"connection", b"close")


def is_stopping(app: FastAPI) -> bool:
    """Return whether the service is about to stop."""
    return getattr(app.state, "stopping", False)


class GracefulServer(uvicorn.Server):
    """A server that still takes requests for `seconds` after SIGTERM; Ctrl-C stops it at once.

    Each of these replies closes its connection, so that a proxy keeps none open on which it could send a request too
    late.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._seconds = seconds
        self._accept_until = 0.0  # monotonic time

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.stopping = True
        if sig == signal.SIGTERM and not self.should_exit:
            self._accept_until = time.monotonic() + self._seconds
        elif sig == signal.SIGINT:
            self._accept_until = 0.0
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        should_exit = await super().on_tick(counter)
        headers = self.server_state.default_headers
        if self.should_exit and _CLOSE not in headers:
            self.server_state.default_headers = [*headers, _CLOSE]
        return should_exit and time.monotonic() >= self._accept_until


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until stopped; running answers get `grace` seconds to end. Exit with status 3 where it cannot start."""
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
    server = GracefulServer(config, app, settings.drain)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_EXIT_NOT_STARTED)
