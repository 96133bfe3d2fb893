"""Map errors to HTTP statuses and bodies, in this one place."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from mlrag.errors import (
    DocumentError,
    EmbedderError,
    EmbedderMismatchError,
    ForbiddenLanguageError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    MissingIndexError,
    MlragError,
    PrivacyError,
    QuestionError,
    SettingsError,
    StoppedError,
    StorageError,
    StoreUnreachableError,
    UnknownLanguageError,
)

_STATUS: list[tuple[type[MlragError], int]] = [
    (QuestionError, 422),
    (DocumentError, 422),
    (UnknownLanguageError, 404),
    (MissingIndexError, 404),
    (PrivacyError, 403),
    (ForbiddenLanguageError, 403),
    (SettingsError, 422),
    (GeneratorUnavailableError, 503),
    (GeneratorTimeoutError, 504),
    (GeneratorError, 502),
    (EmbedderMismatchError, 409),
    (EmbedderError, 503),
    (StoreUnreachableError, 503),
    (StorageError, 507),
    (StoppedError, 499),  # the client is gone
]
_REPORTED_ERRORS = (MlragError, RequestValidationError, HTTPException)  # shown to callers; all else is a bug of ours
_log = logging.getLogger("mlrag.service")


class JSON(JSONResponse):
    """A response encoded by orjson."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def describe_error(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return status and body of an error; an unexpected one is logged, and its details are not shown."""
    if isinstance(error, MlragError):
        status = next((s for kind, s in _STATUS if isinstance(error, kind)), 500)
        return status, _body(error.code, error.message, error.hint)
    if isinstance(error, HTTPException):
        return error.status_code, _body("http", str(error.detail), "GET /docs lists the paths")
    if isinstance(error, RequestValidationError):
        return _describe_invalid_request(error)
    _log.error("unexpected", exc_info=error)
    return 500, _body("internal", "something unexpected went wrong; the log has it")


def _body(code: str, message: str, hint: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "hint": hint}}


def _describe_invalid_request(error: RequestValidationError) -> tuple[int, dict[str, Any]]:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return 400, _body("bad_json", "the body is not valid JSON", "GET /docs shows every field")
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return 422, _body("bad_request", f"{where}: {first['msg']}", "GET /docs shows every field")


async def _handle_error(_request: Request, error: Exception) -> Response:
    status, body = describe_error(error)
    return JSON(body, status, headers=getattr(error, "headers", None))  # 405 names the allowed methods in a header


def add_error_handlers(app: FastAPI) -> None:
    for kind in _REPORTED_ERRORS:
        app.add_exception_handler(kind, _handle_error)
