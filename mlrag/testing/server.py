"""What all server doubles share: a real HTTP server on 127.0.0.1, a scripted reply, and faults by name."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from unicodedata import east_asian_width

import regex

STAND_IN = "stand-in"
Reply = Callable[[dict[str, Any]], str]
Fault = str | Callable[[int], str]
_PASSAGE = regex.compile(r"\[1\] (.+)")
_MARKS = regex.compile(r"¦ ?")


def prompt_of(body: dict[str, Any]) -> str:
    """The last turn's text, in the body of any of the protocols."""
    if "prompt" in body:
        return str(body["prompt"])
    if "contents" in body:
        return str(body["contents"][-1]["parts"][0]["text"])
    return str(body["messages"][-1]["content"])


def first_sentence(body: dict[str, Any]) -> str:
    """Answers any of our prompts with the first sentence of passage 1, cited: in the passage's language, grounded."""
    from mlrag.text.sentences import sentence_spans

    passage = _PASSAGE.search(_MARKS.sub("", prompt_of(body)))
    if not passage:
        return "-"
    spans = sentence_spans(passage.group(1))
    span = spans[1] if len(spans) > 1 else spans[0]  # the first one is the title
    return f"{passage.group(1)[span.start : span.end]} [1]"


@dataclass
class FakeServer:
    """A stand-in server: replies come from `reply`, which is given the request's body.

    `fault` names one misbehaviour, or is a function from the number of the chat request (0, 1, …) to one; ""
    is none. `requests` keeps the bodies of chat requests; `hung_up` is set when a client closes a stream that goes on.
    Use it as a context manager.
    """

    handler: ClassVar[type[Handler]]

    models: tuple[str, ...] = ("gemma4:e4b",)
    reply: Reply = first_sentence
    fault: Fault = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Any:
        handler = type("BoundHandler", (self.handler,), {"double": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._release = threading.Event()
        self._lock = threading.Lock()
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

    def note(self, body: dict[str, Any]) -> str:
        """Keep a chat request; the fault it meets."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
        return self.fault if isinstance(self.fault, str) else self.fault(number)

    def wait(self) -> None:
        """What a hanging server does: nothing, until the double is closed."""
        self._release.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    """Sends JSON, text, or a chunked stream; a protocol's double adds its routes."""

    double: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def body(self) -> Any:
        """The request's JSON, or None after a 400 was sent."""
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            return json.loads(raw)
        except ValueError as error:
            self.json(400, self.problem(str(error) if raw else "missing request body"))
            return None

    def problem(self, message: str) -> dict[str, Any]:
        """An error in the protocol's own shape."""
        return {"error": message}

    def json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(body, ensure_ascii=False).encode(), "application/json; charset=utf-8", headers)

    def send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def send_chunks(self, kind: str, parts: Iterable[bytes | None]) -> None:
        """A chunked stream. A None among the parts cuts the connection there."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            if part is None:
                self.close_connection = True
                self.connection.close()
                return
            try:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            except ConnectionError:
                self.double.hung_up.set()
                raise
        self.wfile.write(b"0\r\n\r\n")


def pieces_of(text: str, size: int = 12) -> list[str]:
    """A text as a server streams it: a few characters at a time."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def about_tokens(text: str) -> int:
    """About as many as Gemma would read."""
    return int(sum(0.8 if east_asian_width(c) in "WF" else 0.33 if c.isascii() else 0.45 for c in text))
