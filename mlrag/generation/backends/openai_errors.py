"""What OpenAI-compatible servers say instead of a reply, as the errors of mlrag.

Wordings of vLLM, llama-server, LM Studio, OpenRouter and OpenAI: they share the protocol, not their sentences.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import regex

from mlrag.errors import (
    BrokenReplyError,
    GeneratorBusyError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    MissingModelError,
    PromptTooLongError,
    QuotaError,
)

KEY_NAMES = "OPENAI_API_KEY or OPENROUTER_API_KEY"
_OVERFLOW = regex.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|size|window)|maximum context|prompt is too long",
    regex.I,
)
_NO_MODEL = regex.compile(
    r"model_not_found|not a valid model|invalid model|model .{0,200}(?:does not exist|not found)", regex.I
)
_A_DAY = regex.compile(r"per[-_ ]?day|daily|insufficient_quota", regex.I)
_A_MINUTE = regex.compile(r"per[-_ ]?min", regex.I)


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """`status`: of HTTP, or the code of an error inside a stream, 0 where it has none. `body`: all that was said.
    `headers`: by lower-case name. No key is in any of them."""

    status: int
    message: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def parse_error_response(status: int, body: Any, headers: Mapping[str, str], key: str) -> ErrorResponse:
    """Of an error's body, in whichever shape, with the key struck out of it."""
    fields = body if isinstance(body, dict) else {}
    nested = fields.get("metadata")
    told = nested.get("headers") if isinstance(nested, dict) else None  # OpenRouter repeats its headers there
    code = str(fields.get("code") or "")
    said = json.dumps(body, ensure_ascii=False, default=str)
    message = str(fields.get("message") or (body if isinstance(body, str) else said))
    return ErrorResponse(
        status or (int(code) if code.isdecimal() else 0),
        _struck(message, key)[:300],
        _struck(said, key),
        {str(k).lower(): str(v) for k, v in {**(told if isinstance(told, dict) else {}), **headers}.items()},
    )


def _struck(text: str, key: str) -> str:
    return text.replace(key, "[key]") if key else text


def translate(refused: ErrorResponse, host: str, model: str, has: Sequence[str]) -> GeneratorError:
    """The error that helps. `has`: the models that the server is known to have."""
    said = f"{host} says ({refused.status or 'in mid-stream'}): {refused.message}"
    match refused.status:
        case 401:  # what it says may hold a part of the key
            return GeneratorUnavailableError(f"{host} does not accept the key (401)", f"set {KEY_NAMES}")
        case 403:
            return GeneratorUnavailableError(said, f"is the key in {KEY_NAMES} allowed to use {model}?")
        case 402:
            return QuotaError(said, "add credit there, or take another backend")
        case 429:
            return _make_limit_error(refused, said)
        case 503:
            return GeneratorBusyError(said, "try again soon", read_retry_delay(refused.headers, time.time()))
        case 408:
            return GeneratorTimeoutError(said, "ask again, or take a smaller model")
    if _OVERFLOW.search(refused.body) or refused.status == 413:
        return PromptTooLongError(said, "ask with a smaller k, or start the server with a longer context")
    if refused.status == 404 or (refused.status == 400 and _NO_MODEL.search(refused.body)):
        return _missing(host, model, has)
    if refused.status >= 500 or refused.status < 300:
        return BrokenReplyError(said)
    return GeneratorError(said)


def _make_limit_error(refused: ErrorResponse, said: str) -> GeneratorError:
    if _A_DAY.search(refused.body) and not _A_MINUTE.search(refused.body):
        return QuotaError(said, "wait for the next day, add credit there, or take another backend")
    asked = read_retry_delay(refused.headers, time.time())
    return GeneratorBusyError(said, "ask again soon" if asked is None else f"ask again in {asked:.0f} s", asked)


def _missing(host: str, model: str, has: Sequence[str]) -> GeneratorError:
    hint = f"it has: {', '.join(has[:8])}" if has else "does MLRAG_OPENAI_URL end in /v1, as the server's address does?"
    return MissingModelError(f"{host} does not have {model}", hint)


def read_retry_delay(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait, None where it does not say. `now`: seconds since the epoch.

    Read are retry-after-ms, retry-after (seconds or a date: RFC 9110, 10.2.3), and x-ratelimit-reset (a moment in
    seconds or milliseconds since the epoch, or seconds from now).
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        asked = _number(headers.get(name, ""))
        if asked is not None:
            return max(0.0, asked / unit)
    moment = _moment(headers.get("retry-after", ""))
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if moment is None and reset is not None:
        moment = reset / 1000 if reset > 1e11 else reset if reset > 1e9 else now + reset
    return None if moment is None else max(0.0, moment - now)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _moment(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
