"""One JSON object a line, each with the id of its request. Question texts only where the settings ask for them."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlrag.settings import Settings
from service.metrics import Metrics
from service.middleware.asgi import Rejection, ReplySender, client_address, get_header, send_rejection

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_log = logging.getLogger("mlrag.http")


class JSONLines(logging.Formatter):
    """Formats a record as JSON: time, level, logger, message, request id, and what `extra={"fields": {…}}` adds.

    The text of an exception may quote a question: it is left out unless `texts`; its type and traceback are not.
    """

    def __init__(self, texts: bool) -> None:
        super().__init__()
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line |= self._describe_exception(record.exc_info[1])
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a lone surrogate
            return json.dumps(line, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()

    def _describe_exception(self, error: BaseException) -> dict[str, str]:
        where = "".join(traceback.format_tb(error.__traceback__))
        text = {"error_text": str(error)} if self._texts else {}
        return {"error": type(error).__name__, "where": where, **text}


def configure_logging(settings: Settings) -> None:
    """Send every logger of the process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines(settings.log_questions))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
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
        given = get_header(scope, "x-request-id")
        request_id = given if _PLAIN_ID.fullmatch(given) else os.urandom(16).hex()
        token = _request_id.set(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        sender, begun = ReplySender(send_with_id), time.perf_counter()
        try:
            await self._app(scope, receive, sender)
        except Exception as error:
            _log.error("unexpected", exc_info=error)
            if sender.status:
                raise
            rejection = Rejection(500, "internal", "something unexpected went wrong; the log has it")
            await send_rejection(sender, rejection)
        finally:
            self._log_request(scope, sender.status, time.perf_counter() - begun)
            _request_id.reset(token)

    def _log_request(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.count_reply(status)
        fields = {
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": status,
            "seconds": round(seconds, 4),
            "client": client_address(scope),
            "key": scope.get("state", {}).get("key", ""),
        }
        _log.info("request", extra={"fields": fields})
