"""Ollama's /api, faithfully, without a model behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlrag.testing.server import STAND_IN, FakeServer, Handler, about_tokens, pieces_of

_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_CRASH = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, "
    "check ollama server logs for details"
)
_MISSING = ("model '{}' not found", 'model "{}" not found, try pulling it first')  # chat's words, embed's words
_DIMENSION = 64
FirstToken = dict[str, float] | Callable[[dict[str, Any]], dict[str, float]]


class _OllamaHandler(Handler):
    def do_GET(self) -> None:  # noqa: N802
        if self.path == "/":
            self.send(200, b"Ollama is running", "text/plain; charset=utf-8")
        elif self.path == "/api/version":
            self.json(200, {"version": "0.33.0-test-double"})
        elif self.path == "/api/tags":
            self.json(200, {"models": [_tag(m) for m in self.double.models]})
        elif self.path == "/api/ps":
            self.json(200, {"models": [_describe_running(m) for m in self.double.loaded]})
        else:
            self.send(404, b"404 page not found", "text/plain")

    def do_POST(self) -> None:  # noqa: N802
        body = self.body()
        if body is None:
            return
        routes = {"/api/show": self._show, "/api/embed": self._embed}
        routes |= {"/api/chat": self._chat, "/api/generate": self._chat}  # they differ in the shape of a chunk
        route = routes.get(self.path)
        if route is None:
            self.send(404, b"404 page not found", "text/plain")
        elif not body.get("model"):
            self.json(400, {"error": "model is required"})
        elif body["model"] not in self.double.models:
            self.json(404, {"error": _MISSING[self.path == "/api/embed"].format(body["model"])})
        else:
            route(body)

    def _show(self, body: dict[str, Any]) -> None:
        info = {"general.architecture": "gemma4", "gemma4.context_length": 131072, "gemma4.block_count": 42}
        capabilities = ["completion", "vision", "audio", "tools", "thinking"]
        self.json(200, {"details": _tag(body["model"])["details"], "model_info": info, "capabilities": capabilities})

    def _embed(self, body: dict[str, Any]) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        self.double.embeds.append(body)
        if self.double.embed_fault == "busy":
            return self.json(503, {"error": _BUSY})
        if not body.get("truncate", True) and max(map(len, texts), default=0) > self.double.embed_limit:
            return self.json(400, {"error": "the input length exceeds the context length"})
        return self.json(200, {"model": body["model"], "embeddings": [_vector(t) for t in texts], "total_duration": 1})

    def _chat(self, body: dict[str, Any]) -> None:
        fault = self.double.note(body)
        if fault == "hang":
            self.double.wait()
            return None
        if fault == "busy":
            return self.json(503, {"error": _BUSY})
        if fault == "crash":
            return self.json(500, {"error": _CRASH})
        if fault == "garbage":
            return self.send(502, b"<html>Bad Gateway</html>", "text/html")
        if body.get("top_logprobs", 0) > 20:
            return self.json(400, {"error": "top_logprobs must be between 0 and 20"})
        if body.get("raw") and (body.get("system") or body.get("template") or body.get("context")):
            return self.json(400, {"error": "raw mode does not support template, system, or context"})
        self.double.loaded.add(body["model"])
        if body.get("stream", True):
            return self.send_chunks("application/x-ndjson", self._lines(body, fault))
        return self.json(200, self._whole(body, fault))

    def _lines(self, body: dict[str, Any], fault: str) -> Iterator[bytes | None]:
        """The stream's lines: thinking, text a few characters at a time, the last line with the counts."""
        text = "" if fault == "empty" else self.double.reply(body)
        start = {"model": body["model"], "created_at": _now()}
        if body.get("think", True) or fault == "think_forever":  # the server thinks unless told not to
            yield _line(start | self._part("", "…") | {"done": False})
        while fault == "think_forever":
            yield _line(start | self._part("", "hm ") | {"done": False})
        pieces = pieces_of(text)[: 1 if _one_token(body) else None]
        for number, piece in enumerate(pieces):
            if number == len(pieces) // 2 and fault in _MIDWAY:
                yield from self._break(fault, start)
                return
            chunk = start | self._part(piece) | {"done": False}
            yield _line(chunk | self._logprobs(body, number))
        if fault != "no_done":
            yield _line(start | self._part("") | self._counts(body, text, fault))

    def _part(self, text: str, thinking: str = "") -> dict[str, Any]:
        thought = {"thinking": thinking} if thinking else {}
        if self.path == "/api/generate":
            return {"response": text, **thought}
        return {"message": {"role": "assistant", "content": text, **thought}}

    def _break(self, fault: str, start: dict[str, Any]) -> Iterator[bytes | None]:
        if fault == "cut":
            yield None
        elif fault == "error_midway":
            yield _line({"error": "an error was encountered while running the model: unexpected EOF"})
        elif fault == "hang_midway":
            self.double.wait()
        elif fault == "bad_json":
            yield b'{"model": "gemma4:e4b", "mess\n'
        while fault == "repeat":
            yield _line(start | self._part("la la ") | {"done": False})

    def _whole(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        text = "" if fault == "empty" else self.double.reply(body)
        part = self._part(text, "…" if body.get("think", True) else "")
        answer = {"model": body["model"], "created_at": _now(), "done": False} | part | self._logprobs(body, 0)
        return answer if fault == "no_done" else answer | self._counts(body, text, fault)

    def _logprobs(self, body: dict[str, Any], number: int) -> dict[str, Any]:
        """Scripted log-probabilities of the first token, where they are asked for."""
        if not body.get("logprobs") or number:
            return {}
        script = self.double.first_token
        scripted = (script(body) if callable(script) else script).items()
        listed = [{"token": t, "logprob": p, "bytes": list(t.encode())} for t, p in scripted]
        return {"logprobs": [listed[0] | {"top_logprobs": listed[: body.get("top_logprobs", 0)]}]} if listed else {}

    def _counts(self, body: dict[str, Any], text: str, fault: str) -> dict[str, Any]:
        context = body.get("options", {}).get("num_ctx", 4096)
        texts = [body["prompt"]] if "prompt" in body else [m["content"] for m in body["messages"]]
        sent = sum(map(about_tokens, texts))
        return {
            "done": True,
            "done_reason": "length" if fault == "length" or _one_token(body) else "stop",
            "total_duration": 5_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": context if fault == "cut_prompt" else sent,
            "prompt_eval_duration": 2_000_000,
            "eval_count": max(1, len(text) // 3),
            "eval_duration": 2_000_000,
        }


_MIDWAY = {"cut", "error_midway", "hang_midway", "bad_json", "repeat"}


@dataclass
class FakeOllama(FakeServer):
    """Speaks version, tags, ps, show, chat, generate and embed of Ollama on 127.0.0.1, streaming by default as it does.

    Faults: "busy" (503), "crash" (500), "garbage" (502 with HTML), "hang" (never answers), "empty", "length",
    "no_done" (a repetition abort), "cut_prompt" (silent truncation), and in mid-stream "cut", "error_midway",
    "hang_midway", "bad_json", "repeat" (for ever), "think_forever". `first_token` scripts the log-probabilities
    of the first token, or is a function from the request's body to them. Embeddings are hashes of character
    trigrams: alike texts are near, and no more; `embeds` keeps the bodies of their requests, `embed_limit` is the
    longest text they take, in characters, and `embed_fault` may be "busy".
    """

    handler = _OllamaHandler

    def __post_init__(self) -> None:
        self.loaded: set[str] = set()
        self.first_token: FirstToken = {}
        self.embeds: list[dict[str, Any]] = []
        self.embed_limit = 8192
        self.embed_fault = ""


def _one_token(body: dict[str, Any]) -> bool:
    return bool(body.get("options", {}).get("num_predict") == 1)


def _line(chunk: dict[str, Any]) -> bytes:
    return json.dumps(chunk, ensure_ascii=False).encode() + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _vector(text: str) -> list[float]:
    counts = [0.0] * _DIMENSION
    for at in range(max(1, len(text) - 2)):
        counts[hashlib.md5(text[at : at + 3].encode("utf-8", "replace")).digest()[0] % _DIMENSION] += 1
    norm = sum(c * c for c in counts) ** 0.5 or 1.0
    return [c / norm for c in counts]


def _tag(model: str) -> dict[str, Any]:
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "gemma4",
        "families": ["gemma4"],
        "parameter_size": STAND_IN,
        "quantization_level": STAND_IN,
    }
    return {"name": model, "model": model, "modified_at": _now(), "size": 0, "digest": "0" * 64, "details": details}


def _describe_running(model: str) -> dict[str, Any]:
    return _tag(model) | {"expires_at": _now(), "size_vram": 0, "context_length": 4096}
