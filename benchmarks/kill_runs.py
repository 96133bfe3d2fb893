"""python benchmarks/kill_runs.py [--kills 100]: does a run of `eval.tiers` survive kill -9 and repeat nothing?

The model is a stand-in that this process serves, so that calls are seen while the killed process makes them. A call is
finished once its row stands in the run's file. Each round starts without rows, is killed at random moments (from the
start of the process to the end of an uninterrupted run), started again until it ends, and its report compared with
that of the run without kills. Wall seconds differ between any two runs, so both sets of rows are scored once more with
every time set to 0; the reports must then agree byte for byte, and each run's own report with a rescore of its rows.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import typer
from rich.console import Console

from eval.report.render import render
from eval.runner.plan import find_run, read_plan
from eval.tiers import rescore
from mlrag.generation.prompts import mark_lines
from mlrag.testing import FakeOllama, first_sentence
from mlrag.testing.server import prompt_of
from mlrag.text.special_tokens import escape_special_tokens

HOUSE = Path(__file__).resolve().parent.parent
VARIANTS = ["extractive", "e4b"]


@dataclass
class Watch:
    """Answers calls after `pause` seconds, and notes those whose row was on disk already when they came."""

    pause: float
    run: Path | None = None
    calls: int = 0
    repeated: list[str] = field(default_factory=list)
    twins: dict[str, int] = field(default_factory=dict)  # prompt -> rows of a whole run that it belongs to
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, body: dict[str, Any]) -> str:
        prompt = prompt_of(body)
        with self._lock:
            self.calls += 1
            if self.run is not None and self.finished(prompt) >= self.twins.get(prompt, 1):
                self.repeated.append(prompt)
        time.sleep(self.pause)
        return first_sentence(body)

    def finished(self, prompt: str) -> int:
        """Rows on disk that this prompt was the call of: same question, same passages."""
        assert self.run is not None
        questions = {
            (e.lang, e.id): escape_special_tokens(e.question)
            for found in read_plan(self.run).examples.values()
            for e in found
        }
        return sum(
            questions[row["lang"], row["id"]] in prompt and all(text in prompt for text in shown(row))
            for row in rows_on_disk(self.run)
        )


def shown(row: dict[str, Any]) -> list[str]:
    """A row's passages as its prompt had them: those that fitted, with their numbers."""
    left_out = sum(int(w.partition(":")[2]) for w in row["warnings"] if w.startswith("passages_left_out:"))
    kept = row["passages"][: len(row["passages"]) - left_out]
    return [f"[{n}] {mark_lines(text)}" for n, text in enumerate(kept, 1)]


@dataclass(frozen=True, slots=True)
class Counts:
    """`unfinished`: calls made again because the kill came before their row was on disk."""

    kills: int
    rounds: int
    calls: int
    calls_of_one_run: int
    repeated: int
    unfinished: int
    torn_lines: int
    identical: int

    @property
    def passed(self) -> bool:
        return not self.repeated and self.identical == self.rounds


def rows_on_disk(run: Path) -> list[dict[str, Any]]:
    """Whole lines of the model's rows that did not fail, with their language."""
    lines = [(p.suffixes[-2][1:], x) for p in run.glob("e4b*.jsonl") for x in p.read_bytes().split(b"\n")[:-1]]
    return [row for lang, line in lines if not (row := json.loads(line) | {"lang": lang})["error"]]


def torn(run: Path) -> int:
    """Files whose last line a kill cut off."""
    return sum(bool(data) and not data.endswith(b"\n") for data in (p.read_bytes() for p in run.glob("*.*.jsonl")))


def start(data_dir: Path, url: str, out: Path, options: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "eval.tiers", "--variants", ",".join(VARIANTS), "--out", str(out), *options]
    environment = os.environ | {"MLRAG_DATA_DIR": str(data_dir), "MLRAG_OLLAMA_HOST": url}
    environment |= {"MLRAG_FILTER_PROMPT_INJECTION": "false"}  # calls are told apart by whole passages
    return subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, problem = process.communicate()
    if process.returncode:
        raise RuntimeError(problem.decode())


def report(run: Path, out: Path) -> dict[str, bytes]:
    """The files of a report made from rows alone."""
    render(rescore(run, VARIANTS), out)
    return files(out)


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def timeless(run: Path, work: Path) -> Path:
    """A copy of a run whose rows took no time."""
    copy = work / "timeless"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy)
    for path in copy.glob("*.*.jsonl"):
        rows = [json.loads(line) | {"seconds": 0.0, "first_token_seconds": None} for line in path.open("rb")]
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return copy


def measure(data_dir: Path, work: Path, kills: int, options: list[str], pause: float = 0.1, seed: int = 0) -> Counts:
    """Kill runs until `kills` are done; the index in `data_dir` is kept, the run's rows are not."""
    watch, chance = Watch(pause), random.Random(seed)
    with FakeOllama(reply=watch) as double:
        finish(start(data_dir, double.url, work / "out", options))  # whatever was there: now the index is
        run = find_run(data_dir, str(work / "out"))
        shutil.rmtree(run)
        watch.calls, begun = 0, time.monotonic()
        finish(start(data_dir, double.url, work / "out", options))
        whole, once = time.monotonic() - begun, watch.calls
        expected = report(timeless(run, work), work / "expected")
        prompts = [prompt_of(body) for body in double.requests[-once:]]
        watch.run = run
        watch.twins = {prompt: watch.finished(prompt) for prompt in prompts}
        if not all(watch.twins.values()):
            raise RuntimeError("a call of the whole run belongs to no row: repeats could not be seen")
        watch.calls, rounds, done, identical, cut = 0, 0, 0, 0, 0
        while done < kills:
            shutil.rmtree(run)
            rounds += 1
            while True:
                process = start(data_dir, double.url, work / "out", options)
                try:
                    process.wait(chance.uniform(0, whole) if done < kills else None)
                    finish(process)
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    done += 1
                    cut += torn(run)
            same = report(timeless(run, work), work / "found") == expected
            identical += same and report(run, work / "rescored") == files(work / "out")
    again = watch.calls - once * rounds
    return Counts(done, rounds, watch.calls, once, len(watch.repeated), again, cut, identical)


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many kill -9.")] = 100,
    langs: Annotated[str, typer.Option(help="Languages of the questions.")] = "ta,ar",
    limit: Annotated[int, typer.Option(help="Questions a language; removed articles come on top.")] = 10,
    pause: Annotated[float, typer.Option(help="Seconds the stand-in takes.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the random moments.")] = 0,
) -> None:
    """Kill, start again, compare."""
    begun = time.monotonic()
    options = ["--langs", langs, "--limit", str(limit), "--concurrency", "3"]
    with tempfile.TemporaryDirectory() as work:
        found = measure(Path(work) / "var", Path(work), kills, options, pause, seed)
    Console().print(found, f"{time.monotonic() - begun:.0f} s", "passed" if found.passed else "FAILED")
    raise typer.Exit(0 if found.passed else 1)


if __name__ == "__main__":
    typer.run(main)
