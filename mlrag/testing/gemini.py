"""The Gemini API's v1beta, faithfully, without a model behind it. It refuses what the API refuses of Gemma 4."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex

from mlrag.testing.server import STAND_IN, FakeServer, Handler, pieces_of

_ROUTE = regex.compile(r"^/v1beta/models/([^/:?]+)(?::(generateContent|streamGenerateContent))?(?:\?.*)?$")
_GOOGLE_TYPES = "type.googleapis.com/google.rpc."
_QUOTA_SAID = "You exceeded your current quota, please check your plan and billing details."
_STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _GeminiHandler(Handler):
    def do_GET(self) -> None:  # noqa: N802
        found = _ROUTE.match(self.path)
        if self._refuse_key():
            return
        if self.path.split("?")[0] == "/v1beta/models":
            self.json(200, {"models": [_model(m, self.double.context) for m in self.double.models]})
        elif not found or found[2]:
            self.send(404, b"Not Found", "text/html")
        elif self._check_model(found[1]):
            self.json(200, _model(found[1], self.double.context))

    def do_POST(self) -> None:  # noqa: N802
        body = self.body()
        found = _ROUTE.match(self.path)
        if body is None:
            return
        if not found or not found[2]:
            self.send(404, b"Not Found", "text/html")
        elif not self._refuse_key() and self._check_model(found[1]):
            self._generate(found[1], body, found[2] == "streamGenerateContent")

    def problem(self, message: str) -> dict[str, Any]:
        return _error(400, message)

    def _refuse_key(self) -> bool:
        """Was a 403 (no key) or 400 (another key, as the API has it) sent?"""
        given = self.headers.get("x-goog-api-key", "")
        if not self.double.key or given == self.double.key:
            return False
        if not given:
            self.json(403, _error(403, "Method doesn't allow unregistered callers. Please use API Key."))
        else:
            info = {"@type": _GOOGLE_TYPES + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
            self.json(400, _error(400, "API key not valid. Please pass a valid API key.", info))
        return True

    def _check_model(self, model: str) -> bool:
        if model in self.double.models:
            return True
        said = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        self.json(404, _error(404, said))
        return False

    def _generate(self, model: str, body: dict[str, Any], streamed: bool) -> None:
        fault = self.double.note(body)
        if fault == "hang":
            self.double.wait()
            return None
        if fault == "garbage":
            return self.send(502, b"<html>Bad Gateway</html>", "text/html")
        refusal = _faulty(fault, self.headers.get("x-goog-api-key", "")) or self._refuses(model, body)
        if refusal:
            return self.json(refusal["error"]["code"], refusal)
        if streamed:
            return self.send_chunks("text/event-stream", self._events(model, body, fault))
        return self.json(200, self._whole(model, body, fault))

    def _refuses(self, model: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """What the API itself refuses of such a request."""
        config = body.get("generationConfig", {})
        if _thinking(body, "thinkingBudget", None) is not None:
            return _error(400, "Thinking budget is not supported for this model.")
        if _thinking(body, "thinkingLevel", "HIGH") not in ("MINIMAL", "HIGH"):
            return _error(400, "Thinking level is not supported for this model.")
        if config.get("responseLogprobs") and not self.double.first_token:
            return _error(400, f"Logprobs is not enabled for models/{model}")
        read = _prompt_tokens(body)
        if read > self.double.context:
            said = (
                f"The input token count ({read}) exceeds the maximum number of tokens allowed ({self.double.context})."
            )
            return _error(400, said)
        return None

    def _events(self, model: str, body: dict[str, Any], fault: str) -> Iterator[bytes | None]:
        """The stream's events: thoughts, text a few characters at a time, the finish reason with the last."""
        if fault == "blocked":
            yield _event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": model})
            return
        text = "" if fault == "empty" else self.double.reply(body)
        thought = {"text": "…", "thought": True}
        if _thinks(body):
            yield _event(_chunk(model, [thought]))
        while fault == "think_forever":
            yield _event(_chunk(model, [thought]))
        pieces = pieces_of(text)
        for number, piece in enumerate(pieces):
            if number == len(pieces) // 2 and fault in _MIDWAY:
                yield from self._break(fault, model)
                return
            yield _event(_chunk(model, [{"text": piece}], **self._logprobs(body, number)))
        if fault != "no_finish":
            yield _event(_chunk(model, [], finishReason=_FINISHES.get(fault, "STOP")) | _usage(body, text))

    def _break(self, fault: str, model: str) -> Iterator[bytes | None]:
        if fault == "cut":
            yield None
        elif fault == "error_midway":
            yield _event(_error(500, "An internal error has occurred. Please retry."))
        elif fault == "hang_midway":
            self.double.wait()
        elif fault == "bad_json":
            yield b'data: {"candidates": [{"cont\r\n\r\n'
        while fault == "repeat":
            yield _event(_chunk(model, [{"text": "la la "}]))

    def _whole(self, model: str, body: dict[str, Any], fault: str) -> dict[str, Any]:
        if fault == "blocked":
            return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": model}
        text = "" if fault == "empty" else self.double.reply(body)
        parts = [{"text": "…", "thought": True}] * _thinks(body) + [{"text": text}]
        reason = _FINISHES.get(fault, "STOP")
        return _chunk(model, parts, finishReason=reason, **self._logprobs(body, 0)) | _usage(body, text)

    def _logprobs(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        """Scripted log-probabilities of the first token, where they are asked for."""
        config = body.get("generationConfig", {})
        if not config.get("responseLogprobs") or number:
            return {}
        listed = [{"token": t, "logProbability": p} for t, p in self.double.first_token.items()]
        top = listed[: config.get("logprobs", 0)]
        return {"logprobsResult": {"chosenCandidates": listed[:1], "topCandidates": [{"candidates": top}]}}


_MIDWAY = {"cut", "error_midway", "hang_midway", "bad_json", "repeat"}
_FINISHES = {"length": "MAX_TOKENS", "safety": "SAFETY", "recitation": "RECITATION", "other": "OTHER"}


@dataclass
class FakeGemini(FakeServer):
    """Speaks models, generateContent and streamGenerateContent of the Gemini API on 127.0.0.1.

    Where `key` is set, another one is refused; `context` is the limit that it tells and keeps, in tokens.
    Faults: "busy" (503), "crash" (500), "late" (504), "garbage" (502 with HTML), "hang" (never answers), "empty",
    "length", "no_finish", "safety", "recitation", "other" (finish reasons), "blocked" (the prompt), "unauthorized"
    (403, which quotes the key), "rate_limited" (429, to be asked again after 0.2 s), "rate_limited_bare" (429 and
    no more), "daily_quota", "zero_limit", and in mid-stream "cut", "error_midway", "hang_midway", "bad_json",
    "repeat" (for ever), "think_forever". `first_token` scripts the first token's log-probabilities; without it they
    are refused, as the API does for most models.
    """

    handler = _GeminiHandler

    models: tuple[str, ...] = ("gemma-4-31b-it", "gemma-4-26b-a4b-it")
    key: str = ""
    context: int = 262144

    def __post_init__(self) -> None:
        self.first_token: dict[str, float] = {}


def _faulty(fault: str, key: str) -> dict[str, Any] | None:
    """The error body of the faults that are one."""
    simple = {
        "busy": (503, "The model is overloaded. Please try again later."),
        "crash": (500, "An internal error has occurred. Please retry."),
        "late": (504, "Deadline expired before operation could complete."),
        "unauthorized": (403, f"Permission denied: Consumer 'api_key:{key}' has been suspended."),
        "rate_limited_bare": (429, "Resource has been exhausted (e.g. check quota)."),
    }
    if fault in simple:
        return _error(*simple[fault])
    if fault == "rate_limited":
        return _quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", 15, "0.2s")
    if fault == "daily_quota":
        return _quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 1500, "0.2s")
    if fault == "zero_limit":
        return _quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 0, "0.2s")
    return None


def _quota(quota: str, limit: int, delay: str) -> dict[str, Any]:
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    said = f"{_QUOTA_SAID}\n* Quota exceeded for metric: {metric}, limit: {limit}\nPlease retry in {delay}."
    violation = {"quotaMetric": metric, "quotaId": quota, "quotaValue": str(limit)}
    failure = {"@type": _GOOGLE_TYPES + "QuotaFailure", "violations": [violation]}
    return _error(429, said, failure, {"@type": _GOOGLE_TYPES + "RetryInfo", "retryDelay": delay})


def _error(code: int, said: str, *details: dict[str, Any]) -> dict[str, Any]:
    error = {"code": code, "message": said, "status": _STATUS[code]}
    return {"error": error | ({"details": list(details)} if details else {})}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n"


def _chunk(model: str, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    content = {"role": "model"} | ({"parts": parts} if parts else {})
    return {"candidates": [{"content": content, "index": 0} | more], "modelVersion": model}


def _thinking(body: dict[str, Any], name: str, default: Any) -> Any:
    """A field of the thinking configuration, in either of the two spellings that the API reads."""
    config = body.get("generationConfig", {}).get("thinkingConfig", {})
    snake = regex.sub("([A-Z])", lambda m: "_" + m[1].lower(), name)
    return config.get(name, config.get(snake, default))


def _thinks(body: dict[str, Any]) -> bool:
    """Gemma 4 thinks unless the level says not to."""
    return bool(_thinking(body, "thinkingLevel", "HIGH") != "MINIMAL")


def _prompt_tokens(body: dict[str, Any]) -> int:
    contents = [*body["contents"], body.get("systemInstruction") or {"parts": []}]
    return sum(len(part.get("text", "")) for c in contents for part in c["parts"]) // 3


def _usage(body: dict[str, Any], text: str) -> dict[str, Any]:
    read, written, thought = _prompt_tokens(body), max(1, len(text) // 3), 7 * _thinks(body)
    counts = {"promptTokenCount": read, "candidatesTokenCount": written, "totalTokenCount": read + written + thought}
    return {"usageMetadata": counts | ({"thoughtsTokenCount": thought} if thought else {})}


def _model(name: str, context: int) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": STAND_IN,
        "displayName": STAND_IN,
        "inputTokenLimit": context,
        "outputTokenLimit": 32768,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "thinking": True,
    }
