"""One JSON object a line, each with the id of its request. Question texts only where the settings ask for them."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlrag.settings import Settings
from service.metrics import Metrics
from service.middleware.asgi import Refusal, Sender, client_of, header, refuse

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_log = logging.getLogger("mlrag.http")
_NOTE = logging.LogRecord("", logging.INFO, "", 0, "", None, None).__dict__


@lru_cache(2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class JSONLines(logging.Formatter):
    """A record as JSON: time, level, logger, message, request id, and what `extra={"fields": {…}}` adds.

    The text of an exception may quote a question: it is left out unless `texts`, its kind and place are not.
    """

    def __init__(self, texts: bool) -> None:
        super().__init__()
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        return self.line(record).decode()

    def line(self, record: logging.LogRecord) -> bytes:
        line = {
            "time": f"{_second(int(record.created))}.{int(record.created % 1 * 1000):03}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line |= self._fault(record.exc_info[1])
        try:
            return orjson.dumps(line, default=str)
        except TypeError:  # half of a surrogate pair
            return json.dumps(line, ensure_ascii=False, default=str).encode("utf-8", "replace")

    def _fault(self, error: BaseException) -> dict[str, str]:
        where = "".join(traceback.format_tb(error.__traceback__))
        text = {"error_text": str(error)} if self._texts else {}
        return {"error": type(error).__name__, "where": where, **text}


class Lines(logging.Handler):
    """Writes each record as one line of bytes. The stream keeps threads apart, so no lock is held around it."""

    def __init__(self, stream: BinaryIO, lines: JSONLines) -> None:
        super().__init__()
        self.formatter = lines
        self._stream = stream
        self._lines = lines

    def createLock(self) -> None:  # noqa: N802
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(self._lines.line(record) + b"\n")
            self._stream.flush()
        except Exception:
            self.handleError(record)


def note(log: logging.Logger, message: str, fields: Mapping[str, Any]) -> None:
    """A line of level info. `Logger.info` would find out the place in the code and the thread, which no line tells."""
    if log.isEnabledFor(logging.INFO):
        record = logging.LogRecord.__new__(logging.LogRecord)
        record.__dict__ = _NOTE | {"name": log.name, "msg": message, "created": time.time(), "fields": fields}
        log.handle(record)


def configure(settings: Settings) -> None:
    """Send every logger of the process to stderr as JSON lines."""
    lines = Lines(sys.stderr.buffer, JSONLines(settings.log_questions))
    logging.basicConfig(handlers=[lines], level=settings.log_level.upper(), force=True)
    for noisy in ("httpx", "httpcore"):  # they log addresses, and some backends put keys there
        logging.getLogger(noisy).setLevel(logging.WARNING)


class AccessLog:
    """Gives each request an id (the caller's own where it is plain), one log line and, after a bug, a reply.

    The query is not logged: it holds the question.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = header(scope, "x-request-id")
        name = given if _GIVEN.fullmatch(given) else os.urandom(16).hex()
        token = _request_id.set(name)

        def named(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
            return send(message)

        sender, begun = Sender(named), time.perf_counter()
        try:
            await self._app(scope, receive, sender)
        except Exception as error:
            _log.error("unexpected", exc_info=error)
            if sender.status:
                raise
            await refuse(sender, Refusal(500, "internal", "something unexpected went wrong; the log has it"))
        finally:
            self._line(scope, sender.status, time.perf_counter() - begun)
            _request_id.reset(token)

    def _line(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.replied(status)
        fields = {
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": status,
            "seconds": round(seconds, 4),
            "client": client_of(scope),
            "key": scope.get("state", {}).get("key", ""),
        }
        note(_log, "request", fields)
