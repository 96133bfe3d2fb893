"""python -m eval.efficiency: load time, speed, memory and energy by context and concurrency; --dry only predicts."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from eval.efficiency.batches import WRITE, Batch, BatchResult, measure_batches, read_batches
from eval.efficiency.machine import measure_bandwidth, predict_tokens_per_second
from eval.probes.cli import Json, Out, Variants, publish, split_names
from eval.probes.report import Amount, Cell, ProbeReport, Section
from eval.probes.run import open_run, sign
from eval.runner.jsonl_log import file_name
from eval.statistics import clustered_mean
from mlrag.console import exit_on_error
from mlrag.factory import make_caller
from mlrag.models.hardware import count_physical_cores, measure_memory
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

PROBE = "efficiency"
ABOUT = (
    "Calls with prompts of a length, N at once, on this machine or on the server of the backend. Means with Student's "
    "t intervals. No number here says how good the answers are."
)
NOTE = (
    f"Each call writes at most {WRITE} tokens. Predicted: memory bandwidth over the bytes that a token needs, for one "
    "stream, an upper bound. Peak: this process, where the model is in it. J/token: RAPL and nvidia-smi, idle draw and "
    "all else that runs included. “–”: unknown."
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


def average(values: Iterable[float | None], digits: int = 1) -> Amount:
    """Return the mean of the known values with Student's t interval."""
    known = [v for v in values if v is not None]
    if not known:
        return Amount(None, 0, None, digits)
    return Amount(sum(known) / len(known), len(known), clustered_mean(known, list(range(len(known)))), digits)


def make_line(variant: str, results: Sequence[BatchResult], predicted: float | None) -> list[Cell]:
    """Return one row of the table: a context and a concurrency, over its repeats."""
    good = [r for r in results if not r.error]
    streams = [s for r in good for s in r.streams]
    written = average(s.write_rate for s in streams)
    errors = [r.error for r in results if r.error]
    batch = results[0].batch
    return [
        variant,
        f"{batch.context:,}",
        str(batch.at_once),
        average((s.load for s in streams), 2),
        average((s.first - (s.load or 0.0) for s in streams), 2),
        average(s.read_rate for s in streams),
        written,
        average(r.total_rate for r in good),
        average((r.peak for r in good), 2),
        average(r.joules_per_token for r in good),
        f"{predicted:.1f}" if predicted else "–",
        f"{written.value / predicted:.2f}" if written.value and predicted else "–",
        f"{len(errors)}: {errors[0]}" if errors else "",
    ]


def make_section(results: Mapping[str, Sequence[BatchResult]], predict: Callable[[str, int], float | None]) -> Section:
    """Return the table: a row for each variant, context and concurrency."""
    rows: list[list[Cell]] = []
    for variant, of_variant in results.items():
        alike: dict[tuple[int, int], list[BatchResult]] = {}
        for result in of_variant:
            alike.setdefault((result.batch.context, result.batch.at_once), []).append(result)
        for (context, _), repeats in alike.items():
            rows.append(make_line(variant, repeats, predict(variant, context)))
    return Section("Speed, memory and energy", NOTE, HEAD, rows)


def parse_counts(text: str) -> list[int]:
    """Parse whole numbers: "512,2000" -> [512, 2000]. Raises ValueError."""
    counts = [int(n) for n in split_names(text)]
    if not counts or min(counts) < 1:
        raise ValueError(f"give whole numbers from 1 up, not {text!r}")
    return counts


def describe_machine(gb_per_second: float) -> dict[str, Any]:
    memory = measure_memory()
    return {
        "machine": platform.platform(),
        "processor": platform.machine(),
        "cores": count_physical_cores(),
        "ram_gb": memory.ram_total,
        "gpu_gb": memory.vram_total,
        "bandwidth_gb_per_second": round(gb_per_second, 1),
    }


def measure_variant(
    settings: Settings, variant: str, batches: Sequence[Batch], folder: Path, dry: bool
) -> list[BatchResult]:
    """Return the result of every batch; a dry run reads what was measured before, and calls nothing."""
    path = folder / f"{file_name(variant)}.jsonl"
    return read_batches(batches, path) if dry else measure_batches(make_caller(settings, variant), batches, path)


def main(
    variants: Variants = "e4b",
    contexts: Annotated[str, typer.Option(help="Tokens of prompt.")] = "512,2000",
    at_once: Annotated[str, typer.Option(help="Calls at once.")] = "1",
    repeats: Annotated[int, typer.Option(min=1, help="Batches of each kind.")] = 3,
    gb_per_second: Annotated[float | None, typer.Option(help="Memory bandwidth; measured on this CPU without.")] = None,
    dry: Annotated[
        bool, typer.Option("--dry", help="Predict, beside what was measured before; calls nothing.")
    ] = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """How fast a variant is here, what it takes, and how far off the prediction was. A stopped run goes on."""
    console = Console(stderr=True)
    with exit_on_error(ValueError):
        names, lengths, streams = split_names(variants), parse_counts(contexts), parse_counts(at_once)
        settings = Settings().model_copy(update={"concurrency": max(streams)})
        speed = gb_per_second or measure_bandwidth()
        parsed = {v: parse_variant(v, settings.variants) for v in names}
        signature = sign(PROBE, settings, {}, write=WRITE, machine=platform.node())
        run = open_run(PROBE, settings, signature)
        batches = [Batch(c, n, r) for c in lengths for n in streams for r in range(repeats)]
        results = {v: measure_variant(settings, v, batches, run.folder, dry) for v in names}
        models = {r.model for of_variant in results.values() for r in of_variant if r.model}
        section = make_section(results, lambda v, context: predict_tokens_per_second(parsed[v], context, speed))
        report = ProbeReport(
            PROBE,
            run.folder.name,
            "Efficiency",
            ABOUT,
            tuple(sorted(models)),
            (section,),
            signature | describe_machine(speed),
        )
        publish(report, settings, out, as_json, console)


if __name__ == "__main__":
    typer.run(main)
