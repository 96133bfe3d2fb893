"""What goes wrong at the Gemini API, in our words. The key is in none of them."""

from __future__ import annotations

from typing import Any

import httpx
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
from mlrag.models.variants import family

KEYS = "https://aistudio.google.com/apikey"
_TOO_LONG = regex.compile(r"token count.*exceeds|exceeds the maximum number of tokens", regex.IGNORECASE)
_ZERO = regex.compile(r"limit: 0(?!\.?[0-9])")
_DELAY = regex.compile(r"^([0-9.]+)s$")
_DELAY_SAID = regex.compile(r"retry in ([0-9.]+)s")


def translate(error: BaseException, model: str, url: str, seconds: float, key: str) -> GeneratorError:
    """The error that helps, for one that Google's client or its transport raised within a call of `seconds`."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL | httpx.UnsupportedProtocol):
        return GeneratorUnavailableError(
            f"the Gemini API cannot be reached at {url}", "check the network, and gemini_url if you set it"
        )
    if isinstance(error, httpx.TimeoutException):
        return _late(model, seconds)
    code = getattr(error, "code", None)
    said = str(getattr(error, "message", None) or error).replace(key, "[key]")
    if not isinstance(code, int):
        return BrokenReplyError(f"the reply of {model} at {url} broke off: {said}")
    return _status(code, said, _details(error), model, url, seconds)


def _status(
    code: int, said: str, details: list[dict[str, Any]], model: str, url: str, seconds: float
) -> GeneratorError:
    if code in (401, 403) or any(d.get("reason") == "API_KEY_INVALID" for d in details):
        return GeneratorUnavailableError(
            f"the Gemini API refused the key: {said}", f"set GEMINI_API_KEY to one of {KEYS}"
        )
    if code == 404:
        served = ", ".join(s.ids["gemini"] for s in family().values() if "gemini" in s.ids)
        return MissingModelError(f"the Gemini API at {url} has no model {model}", f"of Gemma 4: {served}")
    if code == 429:
        return _make_limit_error(said, details, model)
    if code == 400 and _TOO_LONG.search(said):
        return PromptTooLongError(f"the prompt does not fit {model}: {said}", "ask with a smaller k")
    if code == 400 and "logprobs" in said.casefold():
        return GeneratorError(f"the Gemini API gives no log-probabilities for {model}: {said}")
    if code == 503:
        return GeneratorBusyError(f"the Gemini API is busy: {said}", "try again soon")
    if code == 504:
        return _late(model, seconds)
    if code >= 500:
        return BrokenReplyError(f"the Gemini API failed ({code}): {said}")
    return GeneratorError(f"the Gemini API refused ({code}): {said}")


def _late(model: str, seconds: float) -> GeneratorTimeoutError:
    return GeneratorTimeoutError(f"{model} gave no answer within {seconds:g} s", "set MLRAG_TIMEOUT higher")


def _make_limit_error(said: str, details: list[dict[str, Any]], model: str) -> GeneratorError:
    """A 429: no quota at all, the day's quota, or a limit that passes."""
    violations = [v for d in details for v in d.get("violations") or () if isinstance(v, dict)]
    if _ZERO.search(said):
        return QuotaError(
            f"{model} is not on your tier of the Gemini API: its limit there is 0",
            "choose another variant, or turn on billing",
        )
    if any("PerDay" in str(v.get("quotaId")) for v in violations):
        return QuotaError(
            f"the day's Gemini API quota for {model} is used up; it resets at midnight Pacific time",
            "ask tomorrow, choose another variant, or turn on billing",
        )
    after = _retry_after(said, details)
    when = f"in {after:g} s" if after is not None else "in a minute"
    return GeneratorBusyError(f"the Gemini API limits its callers: {said}", f"ask again {when}", after)


def _retry_after(said: str, details: list[dict[str, Any]]) -> float | None:
    told = [m for d in details if (m := _DELAY.search(str(d.get("retryDelay"))))]
    found = told[0] if told else _DELAY_SAID.search(said)
    return float(found[1]) if found else None


def _details(error: BaseException) -> list[dict[str, Any]]:
    """The typed details of Google's error body: RetryInfo, QuotaFailure, ErrorInfo."""
    body = getattr(error, "details", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    listed = inner.get("details") if isinstance(inner, dict) else None
    return [d for d in listed if isinstance(d, dict)] if isinstance(listed, list) else []
