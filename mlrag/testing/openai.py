"""The OpenAI protocol as vLLM, llama-server and OpenRouter speak it, faithfully, without a model behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlrag.testing.server import STAND_IN, FakeServer, Handler, about_tokens, pieces_of

_OVERFLOW = (
    "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8232 in the messages, "
    "768 in the completion). Please reduce the length of the messages or completion."
)
_REFUSALS: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = {
    "busy": (503, {"message": "The server is overloaded", "type": "server_error", "code": 503}, {}),
    "loading": (503, {"message": "Loading model", "type": "unavailable_error", "code": 503}, {}),
    "crash": (500, {"message": "EngineCore encountered an issue", "type": "InternalServerError", "code": 500}, {}),
    "overflow": (400, {"message": _OVERFLOW, "type": "BadRequestError", "param": None, "code": 400}, {}),
    "payment": (402, {"message": "Insufficient credits", "code": 402}, {}),
    "rate_limited": (
        429,
        {"message": "Rate limit exceeded: free-models-per-min. ", "code": 429},
        {"Retry-After": "0.2"},
    ),
    "rate_limited_bare": (429, {"message": "Rate limit exceeded", "code": 429}, {}),
    "daily_quota": (
        429,
        {
            "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests per day",
            "code": 429,
            "metadata": {"headers": {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0"}},
        },
        {},
    ),
}
_MIDWAY = {"cut", "error_midway", "hang_midway", "bad_json", "repeat", "no_done"}


class _OpenAIHandler(Handler):
    def problem(self, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}

    def do_GET(self) -> None:  # noqa: N802
        if not self._check_key():
            return
        if self.path == "/v1/models":
            self.json(200, {"object": "list", "data": [self._model(m) for m in self.double.models]})
        else:
            self.json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:  # noqa: N802
        body = self.body()
        if body is None or not self._check_key():
            return None
        if self.path != "/v1/chat/completions":
            return self.json(404, {"detail": "Not Found"})
        if body.get("model") not in self.double.models:
            error = {"message": f"The model `{body.get('model')}` does not exist.", "type": "NotFoundError"}
            return self.json(404, {"error": error | {"param": "model", "code": 404}})
        unknown = [name for name in body if name in self.double.strict]
        if unknown:
            return self.json(400, self.problem(f"Unrecognized request argument supplied: {unknown[0]}"))
        return self._chat(body)

    def _check_key(self) -> bool:
        """Is the caller's key the right one? If not, a 401 was sent, which repeats what it was given."""
        self.double.headers.append(dict(self.headers))
        given = self.headers.get("Authorization", "")
        if self.double.fault != "unauthorized" and (not self.double.key or given == f"Bearer {self.double.key}"):
            return True
        message = f"Incorrect API key provided: {given.removeprefix('Bearer ')}"
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}
        self.json(401, {"error": error})
        return False

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": _now(), "owned_by": STAND_IN, **self.double.told}

    def _chat(self, body: dict[str, Any]) -> None:
        fault = self.double.note(body)
        if fault in _REFUSALS:
            status, error, headers = _REFUSALS[fault]
            return self.json(status, {"error": error}, headers)
        if fault == "hang":
            self.double.wait()
            return None
        if fault == "garbage":
            return self.send(502, b"<html>Bad Gateway</html>", "text/html")
        if fault == "moved":
            return self.send(307, b"", "text/plain", {"Location": f"{self.double.url}/elsewhere"})
        if body.get("stream"):
            return self.send_chunks("text/event-stream; charset=utf-8", self._events(body, fault))
        return self.json(200, self._whole(body, fault))

    def _events(self, body: dict[str, Any], fault: str) -> Iterator[bytes | None]:
        """The stream: the role, thinking, text a few characters at a time, the finish, the counts, [DONE]."""
        text = self._text(body, fault)
        yield _event(self._chunk(body, {"role": "assistant", "content": ""}))
        if (_thinks(body) and self.double.thought_in) or fault == "think_forever":
            yield _event(self._chunk(body, {self.double.thought_in or "reasoning": "…"}))
        while fault == "think_forever":
            yield _event(self._chunk(body, {self.double.thought_in or "reasoning": "hm "}))
        pieces = pieces_of(text)
        for number, piece in enumerate(pieces):
            if number == len(pieces) // 2 and fault in _MIDWAY:
                yield from self._break(body, fault)
                return
            yield _event(self._chunk(body, {"content": piece}, logprobs=self._logprobs(body, number)))
        yield _event(self._chunk(body, {}, "length" if fault == "length" else "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _event(self._chunk(body, {}) | {"choices": [], "usage": self._usage(body, text, fault)})
        yield b"data: [DONE]\n\n"

    def _break(self, body: dict[str, Any], fault: str) -> Iterator[bytes | None]:
        if fault == "cut":
            yield None
        elif fault == "error_midway":
            error = {"code": "server_error", "message": "Provider disconnected unexpectedly"}
            yield _event(self._chunk(body, {"content": ""}, "error") | {"error": error})
        elif fault == "hang_midway":
            self.double.wait()
        elif fault == "bad_json":
            yield b'data: {"id": "chatcmpl-1", "choi\n\n'
        elif fault == "no_done":
            yield b": the end, without a finish\n\n"
        while fault == "repeat":
            yield _event(self._chunk(body, {"content": "la la "}))

    def _chunk(
        self, body: dict[str, Any], delta: dict[str, Any], reason: str | None = None, **more: Any
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason} | more
        return self._head(body, "chat.completion.chunk") | {"choices": [choice]}

    def _whole(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        text = self._text(body, fault)
        message = {"role": "assistant", "content": text}
        if _thinks(body) and self.double.thought_in:
            message[self.double.thought_in] = "…"
        reason = "length" if fault == "length" else "stop"
        choice = {"index": 0, "message": message, "logprobs": self._logprobs(body, 0), "finish_reason": reason}
        return self._head(body, "chat.completion") | {"choices": [choice], "usage": self._usage(body, text, fault)}

    def _head(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": _now(), "model": body["model"]}

    def _text(self, body: dict[str, Any], fault: str) -> str:
        """The scripted reply, up to the first stop string, behind its thoughts where they are left in the text."""
        text = "" if fault == "empty" else self.double.reply(body)
        for stop in body.get("stop") or []:
            text = text.partition(stop)[0]
        return f"<|channel>thought\n…<channel|>{text}" if _thinks(body) and not self.double.thought_in else text

    def _logprobs(self, body: dict[str, Any], number: int) -> dict[str, Any] | None:
        """Scripted log-probabilities of the first token, where they are asked for."""
        listed = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in self.double.first_token.items()]
        if not body.get("logprobs") or number or not listed:
            return None
        return {"content": [listed[0] | {"top_logprobs": listed[: body.get("top_logprobs", 0)]}]}

    def _usage(self, body: dict[str, Any], text: str, fault: str) -> dict[str, Any]:
        read = 1 if fault == "cut_prompt" else sum(about_tokens(m["content"]) for m in body["messages"])
        written = max(1, len(text) // 3)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


@dataclass
class FakeOpenAI(FakeServer):
    """Speaks /v1/models and /v1/chat/completions on 127.0.0.1, as a stream of events or whole.

    Faults: "busy" and "loading" (503), "crash" (500), "garbage" (502 with HTML), "moved" (307), "hang", "overflow"
    (400), "unauthorized" (401), "payment" (402), "rate_limited" (429 with Retry-After), "rate_limited_bare",
    "daily_quota" (429), "empty", "length", "cut_prompt" (silent truncation), and in mid-stream "cut", "error_midway"
    (an error in a 200), "hang_midway", "bad_json", "no_done" (ends without a finish), "repeat" and "think_forever".

    `key`: asked of every caller, where set. `told`: what the list of models says more of each. `thought_in`: the
    field that carries thoughts; "" leaves them in the text. `strict`: fields that are refused as unknown.
    `headers` keeps those of every request.
    """

    handler = _OpenAIHandler

    key: str = ""
    told: dict[str, Any] = field(default_factory=lambda: {"max_model_len": 131072})
    thought_in: str = "reasoning"
    strict: tuple[str, ...] = ()
    headers: list[dict[str, str]] = field(default_factory=list)
    first_token: dict[str, float] = field(default_factory=dict)


def _thinks(body: dict[str, Any]) -> bool:
    return bool((body.get("chat_template_kwargs") or {}).get("enable_thinking"))


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _now() -> int:
    return int(time.time())
