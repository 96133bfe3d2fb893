"""What HTTP costs: the service beside FastAPI with orjson and beside plain ASGI, each a server of its own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.reopen import HOUSE, cpu_seconds
from benchmarks.reopen import server as installed_server
from benchmarks.speed.corpus import LANG, corpus, questions
from benchmarks.speed.measure import Found, Goal, Growth, Plan, Row, Timed, by_turns, rss_bytes
from benchmarks.speed.served import PIECES

_CONNECTIONS = 4  # what the service answers at once, as it is set
_READY = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    pid: int


@contextmanager
def served(kind: str, folder: Path) -> Iterator[Server]:
    """A server that answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.speed.served", kind, str(port), str(folder)]
    with (folder / f"{kind}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=HOUSE, stdout=log, stderr=log)
    try:
        begun = time.monotonic()
        while time.monotonic() - begun < _READY and process.poll() is None:
            try:
                load(Server(port, process.pid), [_path(questions()[0])], 2)
                break
            except OSError:
                time.sleep(0.05)
        yield Server(port, process.pid)
    finally:
        process.kill()
        process.wait()


def _path(question: str, more: str = "") -> str:
    return f"/ask?q={quote(question)}&lang={LANG}{more}"


async def _connection(port: int, paths: list[str], turn: Iterator[int], sizes: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in turn:
        path = paths[number % len(paths)]
        writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode("latin-1"))
        sizes.append(len(await _body(reader, head.lower())))
    writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"content-length:" in head:
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


def load(server: Server, paths: list[str], count: int, connections: int = _CONNECTIONS) -> tuple[float, float, float]:
    """(CPU seconds of the server a request, requests a wall second, bytes a body), connections kept alive."""

    async def all_of_them() -> list[int]:
        turn, sizes = iter(range(count)), []
        await asyncio.gather(*(_connection(server.port, paths, turn, sizes) for _ in range(connections)))
        return sizes

    cpu, wall = cpu_seconds(server.pid), time.perf_counter()
    sizes = asyncio.run(all_of_them())
    wall = time.perf_counter() - wall
    return (cpu_seconds(server.pid) - cpu) / count, count / wall, sum(sizes) / len(sizes)


def _write_body(server: Server, folder: Path) -> None:
    """One answer of the service, for the small servers beside it."""
    import httpx

    reply = httpx.get(f"http://127.0.0.1:{server.port}{_path(questions()[0])}").raise_for_status()
    (folder / "body.json").write_bytes(reply.content)


def measure(plan: Plan) -> Found:
    """The shell, the stream, and the whole service."""
    held = corpus(plan.work, plan.passages)
    count = 200 if plan.quick else 4000
    with ExitStack() as stack:
        shell = stack.enter_context(served("shell", held.folder))
        _write_body(shell, held.folder)
        kinds = {
            k: stack.enter_context(served(k, held.folder))
            for k in ("fastapi", "declared", "usual", "raw", "stream", "service")
        }
        kinds["shell"] = shell
        one = [_path(questions()[0])]
        many = [_path(q) for q in questions()[:50]]
        load(kinds["service"], many, len(many))
        speeds: dict[str, list[float]] = {}

        def ask(kind: str, paths: list[str], times: int) -> float:
            cpu, rate, _ = load(kinds[kind], paths, times)
            speeds.setdefault(kind, []).append(rate)
            return cpu

        works = {k: lambda k=k: ask(k, one, count) for k in ("shell", "fastapi", "declared", "usual", "raw")}
        works["service"] = lambda: ask("service", many, max(50, count // 8))
        cost = by_turns(works, plan.rounds)
        rows = _rows(cost, {k: max(v) for k, v in speeds.items()}, count, load(shell, one, 4)[2])
        rows.append(_streamed(kinds["stream"], shell, plan))
        rss = rss_bytes(kinds["service"].pid) / 1e6
        rows.append(Row("http", f"memory of the service over {held.passages} passages, RSS", "MB", rss, 1))
        growth = _growth({k: kinds[k] for k in ("shell", "fastapi", "raw")}, one, count // 2)
    return Found(rows, growth)


def _rows(cost: dict[str, Timed], speed: dict[str, float], n: int, size: float) -> list[Row]:
    us = {name: 1e6 * t.best for name, t in cost.items()}
    note = f"the same body of {size:.0f} bytes"
    return [
        Row(
            "http",
            "the shell: /ask with the answer made before",
            "us/request",
            us["shell"],
            n,
            cost["shell"].spread,
            us["fastapi"],
            "FastAPI + orjson",
            us["raw"],
            "plain ASGI + orjson",
            us["shell"] / us["fastapi"],
            Goal("ratio", "<=", 1.3),
            note,
        ),
        Row(
            "http",
            "the shell beside an app that declares the same query parameters",
            "us/request",
            us["shell"],
            n,
            cost["shell"].spread,
            us["declared"],
            "FastAPI + orjson, nine parameters",
            ratio=us["shell"] / us["declared"],
        ),
        Row(
            "http",
            "the shell beside such an app with an id, a limit, a deadline, a count, headers and a log line",
            "us/request",
            us["shell"],
            n,
            cost["shell"].spread,
            us["usual"],
            "FastAPI + orjson, limits, prometheus-client",
            ratio=us["shell"] / us["usual"],
        ),
        Row(
            "http",
            "its throughput, one process, wall",
            "/s",
            speed["shell"],
            n,
            1.0,
            speed["fastapi"],
            "FastAPI + orjson",
            speed["raw"],
            "plain ASGI + orjson",
            speed["shell"] / speed["fastapi"],
            Goal("ratio", ">=", 0.7),
            f"{_CONNECTIONS} connections, the client on the same cores",
        ),
        Row(
            "http",
            "the whole of /ask, cached embedding",
            "us/request",
            us["service"],
            max(50, n // 8),
            cost["service"].spread,
            note=f"{speed['service']:.0f} a second, one process",
        ),
    ]


def _streamed(stream: Server, shell: Server, plan: Plan) -> Row:
    paths = [_path(questions()[0], "&stream=true")]
    count = 10 if plan.quick else 60
    works = {
        "stream": lambda: load(stream, paths, count, 1)[0],
        "shell": lambda: load(shell, paths, 20 * count, 1)[0],
    }
    cost = by_turns(works, plan.rounds)
    each = 1e6 * (cost["stream"].best - cost["shell"].best) / PIECES
    return Row(
        "http", "a streamed piece of an answer", "us", each, PIECES, cost["stream"].spread, goal=Goal("ours", "<=", 10)
    )


def _growth(kinds: dict[str, Server], paths: list[str], count: int) -> Growth:
    names = {"shell": "mlrag", "fastapi": "FastAPI + orjson", "raw": "plain ASGI"}
    series = {
        names[kind]: [(float(c), load(server, paths, count, c)[1]) for c in (1, 2, 4, 8, 16)]
        for kind, server in kinds.items()
    }
    return Growth("http", "Replies without an answer to find", "connections", "replies a second, wall", series)


def measure_start(plan: Plan) -> Found:
    """From the start of the process to the first 200 of /healthz and of /readyz, and the memory then."""
    import httpx

    held = corpus(plan.work, plan.passages)
    found: dict[str, list[float]] = {"/healthz": [], "/readyz": [], "rss": []}
    for _ in range(1 if plan.quick else 5):
        with installed_server(held.folder) as (url, _, pid), httpx.Client(base_url=url, timeout=60) as client:
            for path in ("/healthz", "/readyz"):
                while not _is_up(client, path):
                    time.sleep(0.01)
                found[path].append(cpu_seconds(pid))
            found["rss"].append(rss_bytes(pid) / 1e6)
    listening, ready = Timed(tuple(found["/healthz"])), Timed(tuple(found["/readyz"]))
    n = len(found["rss"])
    rows = [
        Row(
            "start",
            "start to listening, the embedder still on its way",
            "CPU-s",
            listening.best,
            n,
            listening.spread,
            goal=Goal("ours", "<=", 0.9),
            note="clock ticks of 10 ms",
        ),
        Row("start", f"start to ready over {held.passages} passages", "CPU-s", ready.best, n, ready.spread),
        Row("start", "memory then, RSS", "MB", min(found["rss"]), n),
    ]
    return Found(rows)


def _is_up(client: object, path: str) -> bool:
    import httpx

    assert isinstance(client, httpx.Client)
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False
