"""python -m eval.advise: which variant for these languages and this machine, and how sure that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from eval.advice import gain
from eval.advice.decide import Advice, advise
from eval.advice.evidence import NOTHING, RunEvidence, read_evidence
from eval.advice.matrix import GAMMA, Matrix, make_matrix, weigh_dimensions
from eval.advice.need import (
    Requirements,
    build_requirements,
    find_preset,
    normalize_weights,
    parse_weights,
    plan_hardware,
    weights_of_corpus,
    weights_of_log,
)
from eval.advice.serialize import as_json
from eval.advice.show import print_advice, write_page
from eval.probes.history import read_reports
from eval.runner.plan import find_run, latest_run
from mlrag.console import print_error
from mlrag.errors import CorpusFormatError, MlragError
from mlrag.languages import languages
from mlrag.models.hardware import measure_memory
from mlrag.settings import Settings


def mix(langs: str | None, log: Path | None, corpus: Path | None, corpora: Path) -> dict[str, float]:
    """Return the weights of the languages: given, of a log, of a corpus, or equal for every starter corpus."""
    given = [x for x in (langs, log, corpus) if x]
    if len(given) > 1:
        raise ValueError("give one of --langs, --log and --corpus")
    if langs:
        return parse_weights(langs)
    if log:
        return weights_of_log(log)
    if corpus:
        return weights_of_corpus(corpus)
    return normalize_weights({code: 1.0 for code in languages() if (corpora / code).is_dir()})


def folders(data_dir: Path, runs: list[str], published: bool) -> list[Path]:
    """Return the folders of the named runs, else of the latest; empty where there is none yet."""
    if published:
        return []
    if runs:
        return [find_run(data_dir, name) for name in runs]
    try:
        return [latest_run(data_dir)]
    except CorpusFormatError:
        return []


def parse_numbers(text: str) -> dict[str, float]:
    """Parse "quality=2,tools=1". Raises ValueError."""
    try:
        pairs = (part.split("=") for part in text.split(",") if part.strip())
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError:
        raise ValueError(f"{text!r} is no list of weights; for example: --weights quality=2,tools=1") from None


def main(
    langs: Annotated[str | None, typer.Option(help="With weights, e.g. ta=3,si=1; default: every language.")] = None,
    log: Annotated[Path | None, typer.Option(help="A log of questions to take the weights from.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Documents to take the weights from.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="A private, B edge with audio, C API, D fine-tuned, E research and agents.")
    ] = None,
    regime: Annotated[str | None, typer.Option(help="gdpr, pdpa-lk, pdpl-uae: information, not legal advice.")] = None,
    ram: Annotated[float | None, typer.Option(min=0, help="GB of RAM to plan for; default: this machine.")] = None,
    vram: Annotated[float | None, typer.Option(min=0, help="GB of GPU memory to plan for.")] = None,
    disk: Annotated[float | None, typer.Option(min=0, help="GB of free disk to plan for.")] = None,
    reserve: Annotated[float | None, typer.Option(min=0, help="GB of RAM left to everything else; 2.")] = None,
    context: Annotated[int | None, typer.Option(min=1, help="Tokens of context; 8192.")] = None,
    p95: Annotated[float | None, typer.Option(min=0, help="Most seconds that 95 % of questions may take.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Questions at once; 1.")] = None,
    locality: Annotated[str | None, typer.Option(help='"device", "own servers" or "any".')] = None,
    audio: Annotated[bool | None, typer.Option("--audio", help="It must take audio.")] = None,
    images: Annotated[bool | None, typer.Option("--images", help="It must take images.")] = None,
    tools: Annotated[bool | None, typer.Option("--tools", help="It must use tools reliably.")] = None,
    tools_floor: Annotated[
        float | None, typer.Option(help="Least score that counts as reliable: Tau2, mean of 3; 60.")
    ] = None,
    finetune: Annotated[bool | None, typer.Option("--finetune", help="It will be fine-tuned.")] = None,
    budget: Annotated[float | None, typer.Option(min=0, help="Dollars for 1,000 questions.")] = None,
    cost: Annotated[str | None, typer.Option(help="seconds, memory or money: what cheapest means.")] = None,
    margin: Annotated[float | None, typer.Option(help="Points that may be given up for a cheaper one; 2.")] = None,
    answerable: Annotated[
        float | None, typer.Option(help="Proportion of questions that documents answer; 0.5.")
    ] = None,
    weights: Annotated[str, typer.Option(help="Of the matrix, e.g. quality=2,tools=1.")] = "",
    gamma: Annotated[float, typer.Option(min=0, help="How strongly cost counts in the adjusted score.")] = GAMMA,
    run: Annotated[list[str] | None, typer.Option(help="A run to use; repeatable; default: the latest.")] = None,
    published: Annotated[bool, typer.Option("--published", help="By published scores alone.")] = False,
    compare: Annotated[str | None, typer.Option(help="A fine-tune of yours: its gain over its base.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the page and advice.json; var/reports/advice.")] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """The cheapest variant that is not worse than the best that fits, by your own runs; docs/choosing.md."""
    console = Console(stderr=True)
    given = {
        "reserve": reserve,
        "context": context,
        "p95": p95,
        "concurrency": concurrency,
        "locality": locality,
        "audio": audio,
        "images": images,
        "tools": tools,
        "tools_floor": tools_floor,
        "finetune": finetune,
        "budget": budget,
        "cost": cost,
        "margin": None if margin is None else margin / 100,
        "answerable": answerable,
    }
    try:
        settings = Settings()
        need = build_requirements(mix(langs, log, corpus, settings.corpora), scenario, regime, given)
        preset = find_preset("scenario", scenario) if scenario else {}
        asked = {"ram": ram, "vram": vram, "disk": disk}
        wanted = {k: preset.get(k) if v is None else v for k, v in asked.items()}
        machine = plan_hardware(measure_memory(), settings.data_dir, wanted)
        by_dimension = weigh_dimensions(preset, parse_numbers(weights))
        evidence = _evidence(settings, need, run or [], published, console)
        gained = _measure_gain(evidence, compare, settings)
        advice = advise(need, machine, evidence, settings.variants)
        matrix = make_matrix(advice, by_dimension, gamma, () if published else read_reports(settings.data_dir))
    except (MlragError, ValueError, OSError) as error:
        print_error(error)
        raise typer.Exit(1) from None
    made = _describe_call(scenario, regime, by_dimension, compare)
    folder = out or settings.data_dir / "reports" / "advice"
    result = as_json(advice, matrix, made)
    if gained:
        head, rows, base = gained
        result["gain"] = {"base": base, "rows": [dict(zip(head, row, strict=True)) for row in rows]}
    _write(folder, result, advice, matrix, made, gained)
    if as_json_:
        print(json.dumps(result, ensure_ascii=False, allow_nan=False))  # noqa: T201
    else:
        print_advice(advice, matrix, made, gained, Console())
    console.print(f"page: {folder}/advice.html, to follow: {folder}/advice.json", markup=False)


def _evidence(
    settings: Settings, need: Requirements, runs: list[str], published: bool, console: Console
) -> RunEvidence:
    chosen = folders(settings.data_dir, runs, published)
    if not chosen:
        return NOTHING
    with console.status("scoring stored rows") as status:
        return read_evidence(chosen, need.weights, settings.variants, lambda name: status.update(f"scoring {name}"))


def _measure_gain(evidence: RunEvidence, compare: str | None, settings: Settings) -> tuple[Any, ...]:
    """Return the head, the rows and the base's name; empty without `compare`."""
    if compare is None:
        return ()
    base, gains = gain.measure_gains(evidence, compare, settings.variants)
    return gain.GAIN_HEAD, gain.describe_gains(gains), base


def _describe_call(
    scenario: str | None, regime: str | None, weights: dict[str, float], compare: str | None
) -> dict[str, Any]:
    law = find_preset("regime", regime) if regime else {}
    return {
        "scenario": scenario,
        "scenario_title": find_preset("scenario", scenario)["title"] if scenario else None,
        "regime": regime,
        "regime_title": law.get("title"),
        "regime_says": law.get("says"),
        "weights": weights,
        "compare": compare,
    }


def _write(
    folder: Path, result: Any, advice: Advice, matrix: Matrix, made: dict[str, Any], gained: tuple[Any, ...]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
    (folder / "advice.json").write_text(text, encoding="utf-8")
    write_page(folder / "advice.html", advice, matrix, made, gained)


if __name__ == "__main__":
    typer.run(main)
