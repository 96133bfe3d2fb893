"""python -m benchmarks.replicas [--rounds 3] [--askers 8] [--quick]: two replicas behind nginx, restarted under load.

Real `mlrag serve` processes over one real PostgreSQL, behind a real nginx with the shipped configuration. Askers, each
with a key, ask through nginx one question after the other: GET and POST, whole and streamed, known and new, searches
and uploads with their status. Meanwhile the replicas are restarted one after another. Then, without the restarts: how
long after a change through one replica, or by `mlrag index`, the other one answers from it; and what one hit of a
limit and one look for a kept answer cost. This process is nice.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer
from limits import parse
from rich.console import Console

from mlrag.state.answers import CacheKey
from tests.support.postgres import PostgresNode, missing
from tests.support.replicas import Nginx, Replica, nginx

DOCUMENTS = {
    "nile.md": "---\nlang: en\n---\nThe Nile is 6,650 kilometres long. It flows through Egypt to the sea.",
    "kaveri.md": "---\nlang: ta\n---\nகாவிரி ஆற்றின் நீளம் 805 கிலோமீட்டர். அது கர்நாடகத்தில் தொடங்குகிறது.",
}
QUESTIONS = {"en": "How long is the Nile", "ta": "காவிரி ஆற்றின் நீளம் எவ்வளவு"}

DROPPED = "dropped"  # an upload that waited at a replica which stopped: its status says to send it again


@dataclass
class Load:
    """What came of requests, by their kind and end; seconds that each took."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> dict[tuple[str, str], int]:
        return {end: n for end, n in self.ends.items() if end[1] not in ("good", DROPPED)}


@dataclass(frozen=True)
class Fleet:
    replicas: tuple[Replica, ...]
    url: str
    settings: dict[str, str]
    keys: tuple[str, ...]

    def run(self, *arguments: str) -> str:
        """The output of a command."""
        command = [sys.executable, "-m", "mlrag", *arguments]
        environment = {**os.environ, **self.settings, "MLRAG_DATA_DIR": self.settings["MLRAG_CORPORA"] + "-data"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def headers(self, number: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[number % len(self.keys)]}"}


@contextmanager
def fleet(folder: Path, store_url: str, keys: int, **settings: str) -> Iterator[Fleet]:
    """Two replicas behind nginx, ready; their keys have the scope `write`."""
    (folder / "documents").mkdir(parents=True)
    for name, text in DOCUMENTS.items():
        (folder / "documents" / name).write_text(text, encoding="utf-8")
    common = {"MLRAG_STORE_URL": store_url, "MLRAG_CORPORA": str(folder / "documents"), "MLRAG_DRAIN": "3", **settings}
    with ExitStack() as stack:
        replicas = tuple(Replica(folder / name, common) for name in ("a", "b"))
        bare = Fleet(replicas, "", common, ())
        tokens = tuple(bare.run("keys", "add", f"asker {n}", "--scope", "write") for n in range(keys))
        for replica in replicas:
            replica.start()
            stack.callback(replica.close)
        for replica in replicas:
            replica.wait_ready()
        proxy = Nginx(folder / "nginx", replicas)
        stack.callback(proxy.close)
        yield Fleet(replicas, proxy.url, common, tokens)


async def ask(client: httpx.AsyncClient, chance: random.Random) -> tuple[str, str]:
    """(kind of request, "good" or how it ended)."""
    lang = chance.choice(list(QUESTIONS))
    question = {"q": f"{QUESTIONS[lang]} {chance.choice(['', chance.randrange(10**6)])}?", "lang": lang}
    kind = chance.choice(["GET", "POST", "stream", "search", "upload"])
    if kind == "GET":
        return kind, _good(await client.get("/ask", params=question))
    if kind == "POST":
        return kind, _good(await client.post("/ask", json=question))
    if kind == "search":
        return kind, _good(await client.post("/search", json=question))
    if kind == "stream":
        reply = await client.post("/ask", json={**question, "stream": True})
        return kind, "cut" if reply.status_code == 200 and "event: answer" not in reply.text else _good(reply)
    return kind, await _upload(client, chance)


def _good(reply: httpx.Response) -> str:
    return "good" if reply.status_code in (200, 202) else f"{reply.status_code} {reply.text[:200]}"


async def _upload(client: httpx.AsyncClient, chance: random.Random) -> str:
    """A document is sent and its job followed, by whichever replica answers."""
    number = chance.randrange(10**6)
    document = {"name": f"{number % 20}.txt", "text": f"The Zoran bridge number {number} is {number} metres long."}
    reply = await client.post("/corpora/en/documents", json={"documents": [document]})
    while reply.status_code in (200, 202) and reply.json()["status"] in ("queued", "running"):
        await asyncio.sleep(0.1)
        reply = await client.get(f"/jobs/{reply.json()['id']}")
    if reply.status_code != 200 or reply.json()["status"] == "done":
        return _good(reply)
    return DROPPED if "the service stopped" in reply.json()["error"] else reply.text


async def _asker(fleet: Fleet, number: int, load: Load, stop: threading.Event, pause: float) -> None:
    chance = random.Random(number)
    async with httpx.AsyncClient(base_url=fleet.url, headers=fleet.headers(number), timeout=190) as client:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                end = await ask(client, chance)
            except httpx.HTTPError as error:
                end = "connection", type(error).__name__
            load.ends[end] += 1
            load.seconds.append(time.monotonic() - begun)
            await asyncio.sleep(pause)


@contextmanager
def load(fleet: Fleet, askers: int, pause: float = 0.05) -> Iterator[Load]:
    """Askers at work inside, each `pause` seconds after its last reply."""
    seen, stop = Load(), threading.Event()

    async def work() -> None:
        await asyncio.gather(*(_asker(fleet, n, seen, stop, pause) for n in range(askers)))

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def seen_after(fleet: Fleet, number: int) -> tuple[float, float]:
    """Seconds from the end of a change to the first answer from it by the other replica: (an upload to the first one,
    told as done; the end of `mlrag index`). What the answer itself takes is in it."""
    first, second = (httpx.Client(base_url=r.url, headers=fleet.headers(0), timeout=60) for r in fleet.replicas)
    word, text = f"Quarzon{number}", f"The tower of Quarzon{number} is {1000 + number} metres high."
    with first, second:
        job = first.post("/corpora/en/documents", json={"documents": [{"name": f"{word}.txt", "text": text}]}).json()
        while job["status"] in ("queued", "running"):
            time.sleep(0.005)
            job = first.get(f"/jobs/{job['id']}").json()
        uploaded = _until(second, word, f"{1000 + number}")
        path = Path(fleet.settings["MLRAG_CORPORA"]) / f"Indexon{number}.md"
        path.write_text(f"---\nlang: en\n---\nThe tower of Indexon{number} is {2000 + number} metres high.", "utf-8")
        fleet.run("index", str(path))
        return uploaded, _until(second, f"Indexon{number}", f"{2000 + number}")


def _until(client: httpx.Client, word: str, expected: str) -> float:
    begun = time.monotonic()
    while expected not in client.get("/ask", params={"q": f"How high is the tower of {word}?", "lang": "en"}).text:
        time.sleep(0.005)
    return time.monotonic() - begun


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often both replicas are restarted.")] = 3,
    askers: Annotated[int, typer.Option(min=1)] = 8,
    changes: Annotated[int, typer.Option(min=1, help="Changes whose way is timed.")] = 20,
    quick: Annotated[bool, typer.Option(help="One round, four askers, three changes.")] = False,
) -> None:
    reason = missing() or ("" if nginx() else "nginx is not installed: apt-get install nginx-light")
    if reason:
        raise typer.BadParameter(reason)
    if quick:
        rounds, askers, changes = 1, 4, 3
    os.nice(5)
    out, settings = Console(width=120), {"MLRAG_RATE_LIMIT": "3000/minute", "MLRAG_LOG_LEVEL": "error"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        node = stack.enter_context(PostgresNode())
        two = stack.enter_context(fleet(folder / "fleet", node.url, askers, **settings))
        begun = time.monotonic()
        with load(two, askers) as seen:
            for _ in range(rounds):
                for replica in two.replicas:
                    time.sleep(1)
                    replica.restart()
        out.print(f"{2 * rounds} restarts under {askers} askers in {time.monotonic() - begun:.0f} s:")
        _report(seen, out)
        times = np.array([seen_after(two, number) for number in range(changes)])
        costs = _costs(node.url, 50 * changes)
    for name, column in zip(("an upload through the other replica", "`mlrag index`"), times.T, strict=True):
        middle, most = np.median(column), column.max()
        out.print(f"seen after {name}, {changes} changes: median {middle * 1000:.0f} ms, longest {most * 1000:.0f} ms")
    out.print(", ".join(f"{name}: {ms:.2f} ms" for name, ms in costs.items()))
    out.print(f"load {os.getloadavg()[0]:.1f}")


def _costs(url: str, times: int) -> dict[str, float]:
    """Milliseconds of one call, the median."""
    from mlrag.state.answers_postgres import PostgresAnswers
    from mlrag.state.postgres import Dispensable, shared_server
    from mlrag.state.rate_limit_postgres import PostgresRateLimiter

    server = Dispensable(shared_server(url))
    rates, answers, rate = PostgresRateLimiter(server, "benchmark"), PostgresAnswers(server), parse("60/minute")
    answers.keep(CacheKey("state", "key"), b"x" * 5000, 10)
    calls = {
        "a hit of 60/minute": lambda n: rates.hit(rate, f"asker {n // 60}"),
        "a look for a kept answer of 5 kB": lambda _n: answers.find("key"),
    }
    found = {}
    for name, call in calls.items():
        taken = []
        for number in range(times):
            begun = time.perf_counter()
            call(number)
            taken.append(time.perf_counter() - begun)
        found[name] = float(np.median(taken)) * 1000
    return found


def _report(seen: Load, out: Console) -> None:
    kinds = Counter(kind for kind, _ in seen.ends.elements())
    dropped = seen.ends["upload", DROPPED]
    p50, p99, most = np.quantile(seen.seconds, [0.5, 0.99, 1.0])
    out.print(f"  {seen.ends.total()} requests ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())})")
    out.print(f"  {sum(seen.failed.values())} failed {dict(seen.failed)}; {dropped} uploads told as dropped")
    out.print(f"  seconds a request: p50 {p50:.2f}, p99 {p99:.2f}, longest {most:.2f}")


if __name__ == "__main__":
    typer.run(main)
