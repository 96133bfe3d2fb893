"""python -m benchmarks.capacity [FILE.toml]: what 10^6 to 10^9 passages and 10 to 10^5 questions a second would take.

Arithmetic over unit costs (benchmarks/capacity.toml: measured ones, data sheets, guesses, each named so); nothing of
this size was run. A GPU's bound for a variant in bf16: a step of a batch of B sequences reads all weights and B caches
and computes 2 × active parameters × B operations, and takes the longer of both; B is what its memory holds. Reading a
prompt computes 2 × active parameters a token. Servers reach a part of that (`reached`).
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mlrag.models.memory_fit import kv_bytes
from mlrag.models.variants import VariantSpec, family

UNITS = Path(__file__).with_name("capacity.toml")
PASSAGES = (10**6, 10**8, 10**9)
RATES = (10, 10**3, 10**5)  # questions a second
_BYTES = 2  # a weight in bf16
_USABLE = 0.9  # of a GPU's memory


def gpu_seconds(spec: VariantSpec, units: dict[str, Any], thinking: bool) -> tuple[float, int]:
    """(GPU seconds a question at the bound, GPUs side by side): the fewest, up to eight, that spend at most half more
    than the number that spends least."""
    assumed = units["assumed"]
    written = assumed["reply"] + thinking * assumed["thoughts"]
    found = {count: _beside(spec, units, written, count) for count in (1, 2, 4, 8)}
    return next((seconds, count) for count, seconds in found.items() if seconds <= 1.5 * min(found.values()))


def _beside(spec: VariantSpec, units: dict[str, Any], written: int, count: int) -> float:
    """GPU seconds of a question on so many GPUs that share the weights; infinite where they do not fit."""
    gpu, assumed = units["gpu"], units["assumed"]
    weights, cache = spec.parameters.text * _BYTES, kv_bytes(spec, assumed["context"])
    batch = int((count * gpu["memory"] * _USABLE - weights) / cache)
    if batch < 1:
        return math.inf
    active = (spec.parameters.active or spec.parameters.published) * 1e9
    step = max((weights + batch * cache) / gpu["bandwidth"], 2 * active * batch / gpu["flops"]) / count
    prompt = assumed["prompt"] * 2 * active / gpu["flops"] / count
    return (prompt + written * step / batch) * count


def storage(units: dict[str, Any]) -> list[list[str]]:
    """A row a number of passages."""
    measured, assumed = units["measured"], units["assumed"]
    rows = []
    for n in PASSAGES:
        hours = n / measured["passages_a_document"] * measured["index_cpu_ms"] / 3.6e6
        cached = assumed["machine_memory"] * 1e9 / 2
        rows.append([
            f"10^{round(math.log10(n))}",
            f"{hours:,.0f} core-hours, ${hours * assumed['core_hour']:,.0f}",
            f"{n * measured['folder_disk'] / 1e9:,.0f} GB, {n * measured['folder_memory'] / 1e9:,.1f} GB",
            f"{n * measured['postgres_disk'] / 1e9:,.0f} GB",
            f"{math.ceil(n * measured['postgres_disk'] / cached):,}",
        ])  # fmt: skip
    return rows


def serving(units: dict[str, Any]) -> list[list[str]]:
    """A row a rate: cores and GPUs that are `busy` so much of their time."""
    measured, assumed = units["measured"], units["assumed"]
    rows = []
    for rate in RATES:
        cores = math.ceil(rate * (measured["folder_ask_cpu_ms"] + measured["embed_cpu_ms"]) / 1e3 / assumed["busy"])
        database = math.ceil(rate * measured["postgres_small_ms"] / 1e3 / assumed["busy"])
        larger = math.ceil(rate * measured["postgres_ms"] / 1e3 / assumed["busy"])
        rows.append([
            f"{rate:,}",
            f"{cores:,}, ${cores * assumed['core_hour']:,.2f}",
            f"{database:,} to {larger:,} ({math.ceil(larger / assumed['machine_cores']):,} machines)",
        ])  # fmt: skip
    return rows


def models(units: dict[str, Any]) -> list[list[str]]:
    """A row a variant: GPU seconds a question at the bound, GPUs and dollars a thousand questions as reached."""
    assumed = units["assumed"]
    rows = []
    for name, spec in family().items():
        for thinking in (False, True):
            seconds, least = gpu_seconds(spec, units, thinking)
            real = seconds / assumed["reached"]
            gpus = [max(least, math.ceil(rate * real / assumed["busy"])) for rate in RATES]
            rows.append([
                f"{name}{'+think' if thinking else ''}",
                f"{seconds * 1e3:,.1f}",
                *(f"{n:,}" for n in gpus),
                f"{1000 * real / assumed['busy'] * assumed['gpu_hour'] / 3600:.3f}",
            ])  # fmt: skip
    return rows


def show(console: Console, title: str, head: list[str], rows: list[list[str]]) -> None:
    """A Markdown table."""
    lines = [f"**{title}**", "", *("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)), ""]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def main(units: Annotated[Path, typer.Argument(help="Other unit costs.")] = UNITS) -> None:
    """Print the plan as Markdown."""
    read, console = tomllib.loads(units.read_text(encoding="utf-8")), Console(width=200)
    a, gpu = read["assumed"], read["gpu"]["name"]
    head = [
        "passages",
        "indexing once",
        "folder: disk, memory",
        "PostgreSQL: disk",
        f"machines of {a['machine_memory']} GB",
    ]
    show(console, "Passages", head, storage(read))
    head = ["questions/s", "service: cores, $ an hour", "database: cores, 6,250 to 62,500 passages a language"]
    show(console, "Questions, extractive", head, serving(read))
    head = ["variant", f"{gpu}: ms a question (bound)", *(f"GPUs at {r:,}/s" for r in RATES), "$ for 1,000 questions"]
    show(
        console, f"Questions, with a model ({a['reached']:.0%} of the bound, {a['busy']:.0%} busy)", head, models(read)
    )


if __name__ == "__main__":
    typer.run(main)
