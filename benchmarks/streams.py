"""python -m benchmarks.streams [--minutes 10] [--quick]: 200 answers stream at once while documents change.

A real `mlrag serve` in a process of its own, English, Tamil, Arabic and Chinese starter documents, and a stand-in
model behind Ollama's protocol that thinks for `--pause` seconds before each answer, so that all streams are open at
once. Each client asks, reads to the end and asks anew, no two questions alike; 20 more than there is room for ask too,
and are to get 503 and when to come back. Two writers upload a document, find it, and delete it. The memory is the
server's resident set every 10 s; its slope is that of the least squares after the first fifth, which warms up. At last
the server gets SIGTERM while all streams are open, with `grace` 120 s: each has to come to its end. This process is
nice, the server is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from rich.console import Console

from eval.statistics.student import student_quantile
from mlrag.documents.readers import read_documents
from mlrag.testing import FakeOllama, first_sentence
from mlrag.text.sentences import sentence_spans

HOUSE = Path(__file__).resolve().parent.parent
LANGS = ("en", "ta", "ar", "zh")
_OVER = 20  # clients beyond the room there is


@dataclass
class Seen:
    """`first` and `whole`: seconds to the first byte and to the answer; `ends` counts how requests ended."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)  # (seconds, MB)
    open: int = 0
    most_open: int = 0
    stopping: bool = False


@dataclass(frozen=True)
class Slope:
    """MB a minute, with the 95 % interval of the least squares."""

    value: float
    low: float
    high: float


def slope(samples: Sequence[tuple[float, float]]) -> Slope:
    x, y = np.array(samples).T
    x = (x - x.mean()) / 60
    value = float(x @ y / (x @ x))
    left = y - y.mean() - value * x
    error = float(np.sqrt(left @ left / (len(x) - 2) / (x @ x)))
    reach = student_quantile(len(x) - 2) * error
    return Slope(value, value - reach, value + reach)


def questions() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for lang in LANGS:
        texts = [d.text for d in read_documents([HOUSE / "corpora" / lang], lang)]
        found[lang] = [t[s.start : s.end] for t in texts for s in sentence_spans(t)]
    return found


async def named_events(reply: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """(event, the code of an error)."""
    name = ""
    async for line in reply.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])["error"]["code"] if name == "error" else ""


async def ask(client: httpx.AsyncClient, lang: str, question: str, seen: Seen) -> str:
    """How it ended: "answer", "error" (an event) with its code, a status, or "cut"."""
    begun, first = time.monotonic(), 0.0
    body = {"q": question, "lang": lang, "stream": True, "variant": "e4b"}
    async with client.stream("POST", "/ask", json=body) as reply:
        if reply.status_code != 200:
            return f"{reply.status_code}{' with Retry-After' if 'retry-after' in reply.headers else ''}"
        seen.open += 1
        seen.most_open = max(seen.most_open, seen.open)
        try:
            async for name, code in named_events(reply):
                first = first or time.monotonic() - begun
                if name in ("answer", "error"):
                    seen.first.append(first)
                    seen.whole.append(time.monotonic() - begun)
                    return f"{name} {code}".strip()
        finally:
            seen.open -= 1
    return "cut"


async def reader(client: httpx.AsyncClient, number: int, known: dict[str, list[str]], seen: Seen) -> None:
    chance, count = random.Random(number), 0
    await asyncio.sleep(chance.uniform(0, 10))
    while not seen.stopping:
        lang, count = chance.choice(LANGS), count + 1
        try:
            end = await ask(client, lang, f"{chance.choice(known[lang])[:300]} {number}-{count}", seen)
        except httpx.HTTPError as error:
            end = type(error).__name__
        if end == "ConnectError" and seen.stopping:  # it asked after the end
            return
        seen.ends[f"{'while stopping: ' if seen.stopping else ''}{end}"] += 1
        if end != "answer":
            await asyncio.sleep(chance.uniform(1, 3))


async def writer(client: httpx.AsyncClient, number: int, seen: Seen) -> None:
    count = 0
    while not seen.stopping:
        lang, count = LANGS[(number + count) % len(LANGS)], count + 1
        name = f"note-{number}-{count}.txt"
        with suppress(httpx.HTTPError):
            seen.writes[await write(client, lang, name)] += 1
        await asyncio.sleep(1)


async def write(client: httpx.AsyncClient, lang: str, name: str) -> str:
    """How an upload, a search for it and its deletion ended."""
    text = f"Zanzibarquartz {name} is kept in drawer {hash(name) % 1000}. It was written by a test."
    reply = await client.post(f"/corpora/{lang}/documents", json={"documents": [{"name": name, "text": text}]})
    if reply.status_code != 202:
        return f"upload {reply.status_code}"
    job: Any = reply.json()
    while job["status"] in ("queued", "running"):
        await asyncio.sleep(0.2)
        job = (await client.get(f"/jobs/{job['id']}")).json()
    if job["status"] != "done":
        return f"upload {job['status']}: {job['error']}"
    found = (await client.post("/search", json={"q": f"Zanzibarquartz {name}", "lang": lang, "k": 50})).json()
    there = name in {hit["doc_id"] for hit in found.get("hits", ())}
    gone = await client.delete(f"/corpora/{lang}/documents/{name}")
    return "done" if there and gone.status_code == 204 else f"found: {there}, deleted: {gone.status_code}"


def resident(pid: int) -> float:
    """MB."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def watch(pid: int, begun: float, every: float, seen: Seen) -> None:
    while not seen.stopping:
        seen.memory.append((time.monotonic() - begun, resident(pid)))
        await asyncio.sleep(every)


async def load(url: str, process: subprocess.Popen[bytes], streams: int, seconds: float, every: float) -> Seen:
    seen, known, begun = Seen(), questions(), time.monotonic()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=190, limits=limits) as client:
        tasks = [asyncio.create_task(reader(client, n, known, seen)) for n in range(streams + _OVER)]
        tasks += [asyncio.create_task(writer(client, n, seen)) for n in range(2)]
        tasks.append(asyncio.create_task(watch(process.pid, begun, every, seen)))
        await asyncio.sleep(seconds)
        seen.stopping = True
        process.send_signal(signal.SIGTERM)
        await asyncio.wait(tasks, timeout=130)
        for task in tasks:
            task.cancel()
    return seen


def serve(folder: Path, ollama: str, streams: int) -> tuple[str, subprocess.Popen[bytes]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for lang in LANGS:
        shutil.copytree(HOUSE / "corpora" / lang, folder / "docs" / lang)
    environment = os.environ | {
        "MLRAG_DATA_DIR": str(folder / "var"),
        "MLRAG_CORPORA": str(folder / "docs"),
        "MLRAG_OLLAMA_HOST": ollama,
        "MLRAG_MAX_ASKS": str(streams),
        "MLRAG_MAX_WAITING": "0",
        "MLRAG_CONCURRENCY": str(streams),
        "MLRAG_GRACE": "120",
        "MLRAG_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "mlrag", "serve", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return url, process
        time.sleep(0.2)
    raise RuntimeError((folder / "log").read_text(encoding="utf-8"))


def percentiles(values: Sequence[float]) -> str:
    middle, late = np.percentile(values, (50, 99)) if values else (float("nan"), float("nan"))
    return f"p50 {middle:.2f} s, p99 {late:.2f} s"


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10.0,
    streams: Annotated[int, typer.Option(min=1, help="Answers at once.")] = 200,
    pause: Annotated[float, typer.Option(help="Seconds that the stand-in thinks.")] = 20.0,
    quick: Annotated[bool, typer.Option(help="30 seconds, 50 streams, a pause of 5 s.")] = False,
) -> None:
    """Stream, write, stop."""
    if quick:
        minutes, streams, pause = 0.5, 50, 5.0
    show, every = Console(width=120), 1.0 if quick else 10.0

    def reply(body: dict[str, Any]) -> str:
        time.sleep(pause)
        return first_sentence(body)

    with tempfile.TemporaryDirectory() as work, FakeOllama(reply=reply) as double:
        url, process = serve(Path(work), double.url, streams)
        os.nice(10)
        before = os.getloadavg()[0]
        try:
            seen = asyncio.run(load(url, process, streams, minutes * 60, every))
            status = process.wait(60)
        finally:
            process.kill()
        log = (Path(work) / "log").read_text(encoding="utf-8")
    kept = seen.memory[len(seen.memory) // 5 :]
    grown = slope(kept)
    show.print(
        f"{streams} streams and {_OVER} more askers, {minutes:g} min, load {before:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after; most open at once {seen.most_open}"
    )
    show.print(f"requests by end: {dict(seen.ends)}")
    show.print(f"uploads with a search and a deletion: {dict(seen.writes)}")
    show.print(
        f"first byte: {percentiles(seen.first)}; answer: {percentiles(seen.whole)} (the model takes {pause:g} s)"
    )
    show.print(
        f"memory: {seen.memory[0][1]:.0f} MB at first, {kept[0][1]:.0f} to {kept[-1][1]:.0f} MB after the warm-up; "
        f"slope {grown.value:+.2f} MB/min [{grown.low:+.2f}, {grown.high:+.2f}], {len(kept)} samples"
    )
    show.print(
        f"exit status {status}; {log.count('unexpected')} unexpected errors, {len(log.splitlines())} lines in the log"
    )
    for line in [x for x in log.splitlines() if "rror" in x][:5]:
        show.print(line[:500], markup=False)


if __name__ == "__main__":
    typer.run(main)
