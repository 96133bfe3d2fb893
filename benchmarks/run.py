"""python -m benchmarks.run [--quick] [--full] [--only NAME …]: what each part costs, beside peers and limits.

Costs are CPU seconds (a thread's for a search or an answer, a process's else), so that others on the same cores count
little; the load average stands beside. Ours and a peer's are taken by turns, the best of the rounds counts, and spread
is the worst of them as a multiple of it. The table goes to stdout, all of it as JSON and a curve a part to
var/benchmarks.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
from rich.console import Console

from benchmarks.speed import embedding, evaluation, http, indexing, memory, retrieval
from benchmarks.speed.drawing import draw
from benchmarks.speed.measure import Found, Plan, Row

PARTS: dict[str, Callable[[Plan], Found]] = {
    "embed": embedding.measure,
    "index": indexing.measure,
    "peers": indexing.measure_peers,
    "retrieve": retrieval.measure,
    "answer": retrieval.measure_answer,
    "http": http.measure,
    "start": http.measure_start,
    "memory": memory.measure,
    "evaluation": evaluation.measure,
}
_TOLD = {True: "met", False: "**not met**", None: ""}


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(row: Row) -> str:
    """A row of the table, as Markdown."""
    peer = f"{number(row.peer)} ({row.peer_name})" if row.peer_name else ""
    limit = f"{number(row.limit)} ({row.limit_name})" if row.limit_name else ""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    goal = f"{row.goal} {_TOLD[row.met]}" if row.goal else ""
    what = f"{row.what}{f' ({row.note})' if row.note else ''}"
    ours = f"{number(row.ours)} {row.unit}".strip()
    cells = (row.part, what, goal, ours, peer, limit, ratio, f"{row.spread:.2f}", str(row.n), f"{row.load:.1f}")
    return "| " + " | ".join(cells) + " |"


def machine() -> dict[str, str]:
    """What the numbers were taken on, and with."""
    names = ("faiss-cpu", "tantivy", "numpy", "onnxruntime", "fastapi", "uvicorn", "orjson", "sacrebleu")
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore").splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": str(os.cpu_count()), "python": platform.python_version()} | {
        n: version(n) for n in names
    }


def keep(name: str, found: Found, seconds: float, work: Path) -> None:
    """A part's rows as JSON, its curve as SVG."""
    growth = found.growth
    body = {
        "part": name,
        "machine": machine(),
        "seconds": round(seconds, 1),
        "rows": [row.wire() for row in found.rows],
        "growth": {k: list(v) for k, v in growth.series.items()} if growth else {},
    }
    (work / f"{name}.json").write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
    if growth:
        (work / f"{name}.svg").write_text(draw(growth), encoding="utf-8")


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Small and rough: does it run?")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="A million passages (7 GB), and 16 languages of 62,500 (6 GB), too.")
    ] = False,
    only: Annotated[str, typer.Option(help=f"Parts, with commas: {', '.join(PARTS)}.")] = "",
    work: Annotated[Path, typer.Option(help="Where corpora, JSON and curves go.")] = Path("var/benchmarks"),
) -> None:
    """Measure and print."""
    chosen = only.split(",") if only else list(PARTS)
    if unknown := sorted(set(chosen) - set(PARTS)):
        raise typer.BadParameter(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    plan = Plan(work, quick, full)
    work.mkdir(parents=True, exist_ok=True)
    show = Console(width=400, highlight=False, markup=False)
    show.print(", ".join(f"{k} {v}" for k, v in machine().items()))
    show.print("\n| part | what | goal | ours | peer | limit | ratio | spread | n | load |\n|---" + "|---" * 9 + "|")
    for name in chosen:
        begun = time.monotonic()
        found = PARTS[name](plan)
        keep(name, found, time.monotonic() - begun, work)
        for row in found.rows:
            show.print(line(row))


if __name__ == "__main__":
    typer.run(main)
