"""Stand-ins that ship with mlrag: real little objects that speak the real protocols. Not models."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import regex

STAND_IN = "stand-in"
Reply = Callable[[dict[str, Any]], str]
_PASSAGE = regex.compile(r"\[1\] (.+)")


def first_sentence(body: dict[str, Any]) -> str:
    """Answers any of our prompts with the first sentence of passage 1, cited: in the passage's language, grounded."""
    from mlrag.text.sentences import sentence_spans

    text = body["messages"][-1]["content"]
    passage = _PASSAGE.search(text)
    if not passage:
        return "-"
    spans = sentence_spans(passage.group(1))
    span = spans[1] if len(spans) > 1 else spans[0]  # the first one is the title
    return f"{passage.group(1)[span.start : span.end]} [1]"


@dataclass
class OllamaDouble:
    """An HTTP server on 127.0.0.1 that speaks Ollama's /api: version, tags, ps, show, chat.

    It is a stand-in: replies come from `reply`. `fault` switches one misbehaviour on: "busy" (503),
    "no_done" (a repetition abort), "empty", "length", "cut_prompt", "crash" (500), "hang" (never answers),
    "garbage" (502 with HTML). Use it as a context manager; `requests` keeps the bodies of /api/chat.
    """

    models: tuple[str, ...] = ("gemma4:e4b",)
    reply: Reply = first_sentence
    fault: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> OllamaDouble:
        handler = type("Handler", (_Handler,), {"double": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._release = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def wait(self) -> None:
        """What a hanging server does: nothing, until the double is closed."""
        self._release.wait()


class _Handler(BaseHTTPRequestHandler):
    double: OllamaDouble
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        if self.path == "/":
            self._send(200, b"Ollama is running", "text/plain; charset=utf-8")
        elif self.path == "/api/version":
            self._json(200, {"version": "0.33.0"})
        elif self.path == "/api/tags":
            self._json(200, {"models": [_tag(m) for m in self.double.models]})
        elif self.path == "/api/ps":
            self._json(200, {"models": []})
        else:
            self._send(404, b"404 page not found", "text/plain")

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not raw:
            return self._json(400, {"error": "missing request body"})
        try:
            body = json.loads(raw)
        except ValueError as error:
            return self._json(400, {"error": str(error)})
        if self.path == "/api/show":
            return self._show(body)
        if self.path == "/api/chat":
            return self._chat(body)
        return self._send(404, b"404 page not found", "text/plain")

    def _known(self, body: dict[str, Any]) -> bool:
        name = body.get("model", "")
        if not name:
            self._json(400, {"error": "model is required"})
        elif name not in self.double.models:
            self._json(404, {"error": f"model '{name}' not found"})
        return name in self.double.models

    def _show(self, body: dict[str, Any]) -> None:
        if self._known(body):
            info = {"general.architecture": "gemma4", "gemma4.context_length": 131072}
            self._json(
                200,
                {
                    "details": _tag(body["model"])["details"],
                    "model_info": info,
                    "capabilities": ["completion", "vision", "audio", "tools", "thinking"],
                },
            )

    def _chat(self, body: dict[str, Any]) -> None:
        if not self._known(body):
            return None
        self.double.requests.append(body)
        fault = self.double.fault
        if fault == "hang":
            return self.double.wait()
        if fault == "busy":
            return self._json(503, {"error": "server busy, please try again.  maximum pending requests exceeded"})
        if fault == "crash":
            return self._json(
                500,
                {
                    "error": "model runner has unexpectedly stopped, this may be due to resource "
                    "limitations or an internal error, check ollama server logs for details"
                },
            )
        if fault == "garbage":
            return self._send(502, b"<html>Bad Gateway</html>", "text/html")
        message = {"role": "assistant", "content": "" if fault == "empty" else self.double.reply(body)}
        if body.get("think", True):  # the server thinks unless told not to
            message["thinking"] = "…"
        answer: dict[str, Any] = {
            "model": body["model"],
            "created_at": _now(),
            "message": message,
            "done": fault != "no_done",
        }
        if fault != "no_done":
            context = body.get("options", {}).get("num_ctx", 4096)
            sent = sum(len(m["content"]) for m in body["messages"]) // 3
            answer |= {
                "done_reason": "length" if fault == "length" else "stop",
                "total_duration": 5_000_000,
                "load_duration": 1_000_000,
                "prompt_eval_count": context if fault == "cut_prompt" else sent,
                "prompt_eval_duration": 2_000_000,
                "eval_count": max(1, len(message["content"]) // 3),
                "eval_duration": 2_000_000,
            }
        if body.get("stream", True):
            return self._stream(answer)
        return self._json(200, answer)

    def _stream(self, answer: dict[str, Any]) -> None:
        first = {k: answer[k] for k in ("model", "created_at", "message")} | {"done": False}
        lines = [first]
        if answer["done"]:
            lines.append(answer | {"message": {"role": "assistant", "content": ""}})
        data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        self._send(200, data, "application/x-ndjson")

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body, ensure_ascii=False).encode(), "application/json; charset=utf-8")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _tag(model: str) -> dict[str, Any]:
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "gemma4",
        "families": ["gemma4"],
        "parameter_size": STAND_IN,
        "quantization_level": STAND_IN,
    }
    return {
        "name": model,
        "model": model,
        "modified_at": _now(),
        "size": 0,
        "digest": "0" * 64,
        "details": details,
    }
