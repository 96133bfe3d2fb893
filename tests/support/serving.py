"""A real HTTP server around an app, and the events that it streams."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import uvicorn

_START, _STOP = 60.0, 60.0  # seconds, generous: a loaded machine must not miss them


@dataclass(frozen=True)
class RunningServer:
    """A uvicorn server in a thread of this process."""

    url: str
    server: uvicorn.Server
    thread: Thread


@contextmanager
def run_server(app: Any, **config: Any) -> Iterator[RunningServer]:
    """Serve an app on a free port of 127.0.0.1 until the block ends. `config`: more of uvicorn's options."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", **config))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started, _START)
        yield RunningServer(f"http://127.0.0.1:{listener.getsockname()[1]}", server, thread)
        server.should_exit = True
        thread.join(_STOP)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an app as `run_server` does; yields the address."""
    with run_server(app) as running:
        yield running.url


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until a condition is true. Raises TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {seconds:g} s")
        time.sleep(0.02)


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield (event, data) as a browser's EventSource dispatches them; comments as ("", text)."""
    name, data = "message", []
    for line in lines:
        if line.startswith(":"):
            yield "", line[1:].strip()
        elif line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data.append(line.removeprefix("data: "))
        elif not line and data:
            yield name, json.loads("\n".join(data))
            name, data = "message", []
