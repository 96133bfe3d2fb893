"""python -m eval.efficiency: load time, speed, memory and energy by context and concurrency; --dry only predicts."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from eval.efficiency.machine import bandwidth
from eval.efficiency.measuring import WRITE, Batch, Measured, complete, stored
from eval.efficiency.predicting import tokens_per_second
from eval.probes.cli import Json, Out, Variants, listed, publish, told
from eval.probes.finding import Amount, Cell, Finding, Section
from eval.probes.run import open_run, sign
from eval.runner.jsonl_log import file_name
from eval.statistics import clustered_mean
from mlrag.factory import make_caller
from mlrag.models.hardware import physical_cores, probe
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

SUITE = "efficiency"
ABOUT = (
    "Calls with prompts of a length, so many at once, on this machine or whatever stands behind the backend. Means "
    "with Student's t intervals. Not one figure here says how good the answers are."
)
HEAD = (
    "variant",
    "context",
    "at once",
    "load s",
    "first token s",
    "read tokens/s",
    "write tokens/s",
    "all streams tokens/s",
    "peak GB",
    "J/token",
    "predicted tokens/s",
    "measured of predicted",
    "failed",
)


def mean(values: Iterable[float | None], digits: int = 1) -> Amount:
    """Of what is known."""
    known = [v for v in values if v is not None]
    if not known:
        return Amount(None, 0, None, digits)
    return Amount(sum(known) / len(known), len(known), clustered_mean(known, list(range(len(known)))), digits)


def line(variant: str, found: Sequence[Measured], predicted: float | None) -> list[Cell]:
    """One row of the table: a context and a concurrency, over its repeats."""
    good = [m for m in found if not m.error]
    streams = [s for m in good for s in m.streams]
    written = mean(s.write_rate for s in streams)
    ratio = f"{written.value / predicted:.2f}" if written.value and predicted else "–"
    errors = [m.error for m in found if m.error]
    batch = found[0].batch
    return [
        variant,
        f"{batch.context:,}",
        str(batch.at_once),
        mean((s.load for s in streams), 2),
        mean((s.first - (s.load or 0.0) for s in streams), 2),
        mean(s.read_rate for s in streams),
        written,
        mean(m.total_rate for m in good),
        mean((m.peak for m in good), 2),
        mean(m.joules_per_token for m in good),
        f"{predicted:.1f}" if predicted else "–",
        ratio,
        f"{len(errors)}: {errors[0]}" if errors else "",
    ]


def measured(settings: Settings, variant: str, batches: Sequence[Batch], folder: Path, dry: bool) -> list[Measured]:
    """A dry run shows what was measured before, and asks nothing."""
    path = folder / f"{file_name(variant)}.jsonl"
    return stored(batches, path) if dry else complete(make_caller(settings, variant), batches, path)


def table(found: Mapping[str, Sequence[Measured]], predict: Callable[[str, int], float | None]) -> Section:
    """A row for each variant, context and concurrency."""
    rows: list[list[Cell]] = []
    for variant, there in found.items():
        for context, at_once in dict.fromkeys((m.batch.context, m.batch.at_once) for m in there):
            alike = [m for m in there if (m.batch.context, m.batch.at_once) == (context, at_once)]
            rows.append(line(variant, alike, predict(variant, context)))
    note = (
        f"Each call writes at most {WRITE} tokens. Predicted: memory bandwidth over the bytes that a token needs, for "
        "one stream, an upper bound. Peak: this process, where the model is in it. J/token: RAPL and nvidia-smi, idle "
        "draw and all else that runs included. “–”: not told."
    )
    return Section("Speed, memory and energy", note, HEAD, rows)


def whole(text: str) -> list[int]:
    """ "512,2000" -> [512, 2000]. Raises ValueError."""
    found = [int(n) for n in listed(text)]
    if not found or min(found) < 1:
        raise ValueError(f"give whole numbers from 1 up, not {text!r}")
    return found


def machine(gb_per_second: float) -> dict[str, Any]:
    memory = probe()
    return {
        "machine": platform.platform(),
        "processor": platform.machine(),
        "cores": physical_cores(),
        "ram_gb": memory.ram_total,
        "gpu_gb": memory.vram_total,
        "bandwidth_gb_per_second": round(gb_per_second, 1),
    }


def main(
    variants: Variants = "e4b",
    contexts: Annotated[str, typer.Option(help="Tokens of prompt.")] = "512,2000",
    at_once: Annotated[str, typer.Option(help="Calls at once.")] = "1",
    repeats: Annotated[int, typer.Option(min=1, help="Batches of each kind.")] = 3,
    gb_per_second: Annotated[float | None, typer.Option(help="Memory bandwidth; measured on this CPU without.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Predict, beside what was measured before; asks nothing.")] = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """How fast a variant is here, what it takes, and how far off the prediction was. A stopped run goes on."""
    console = Console(stderr=True)
    with told(console):
        settings = Settings()
        names, lengths, streams = listed(variants), whole(contexts), whole(at_once)
        settings = settings.model_copy(update={"concurrency": max(streams)})
        speed = gb_per_second or bandwidth()
        parsed = {v: parse_variant(v, settings.variants) for v in names}
        signature = sign(SUITE, settings, {}, write=WRITE, machine=platform.node())
        run = open_run(settings, signature)
        batches = [Batch(c, n, r) for c in lengths for n in streams for r in range(repeats)]
        found = {v: measured(settings, v, batches, run.folder, dry) for v in names}
        answered = tuple(sorted({m.model for there in found.values() for m in there if m.model}))
        tables = (table(found, lambda v, context: tokens_per_second(parsed[v], context, speed)),)
        finding = Finding(SUITE, run.folder.name, "Efficiency", ABOUT, answered, tables, signature | machine(speed))
        publish(finding, settings, out, as_json, console)


if __name__ == "__main__":
    typer.run(main)
