"""python -m eval.reasoning: short arithmetic and deduction by variant and language, with and without thinking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from eval.probes.cli import (
    Concurrency,
    Json,
    Langs,
    Limit,
    Out,
    Variants,
    chosen_languages,
    listed,
    publish,
    settings_with,
    told,
)
from eval.probes.finding import Finding
from eval.probes.run import Asked, ask_all, direct, models, open_run, sign
from eval.reasoning.figures import sections
from eval.reasoning.items import examples
from mlrag.models.variants import parse_variant, with_thinking
from mlrag.settings import Settings

SUITE = "reasoning"
ABOUT = (
    "Twelve word problems and twelve deductions with closed answers, the same items with the same numbers in every "
    "language. Without documents: this is of the model alone. The texts were not checked by native readers. Intervals "
    "are Wilson's on the effective sample size, an item one cluster in all its languages."
)


def rungs(variants: Sequence[str], thinking: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each variant without thinking, and with it where both are asked. Raises ValueError for other words."""
    if not thinking or not set(thinking) <= {"on", "off"}:
        raise ValueError(f"--thinking is off, on, or off,on, not {','.join(thinking)!r}")
    if "off" not in thinking:
        return [(with_thinking(v, "on"), None) for v in variants]
    return [(with_thinking(v, "off"), with_thinking(v, "on") if "on" in thinking else None) for v in variants]


def measure(
    settings: Settings,
    langs: Sequence[str],
    ladder: Sequence[tuple[str, str | None]],
    limit: int | None,
    at_once: int,
    console: Console,
) -> Finding:
    """Ask what is not on disk yet, and check all of it."""
    asked = {lang: examples(lang, limit) for lang in langs}
    signature = sign(SUITE, settings, asked, limit=limit)
    run = open_run(settings, signature)
    names = [name for rung in ladder for name in rung if name]
    rows = ask_all(run, names, lambda v: Asked(direct(settings, v), asked), at_once, console)
    pairs = {
        v: {x: list(zip(asked[x], there, strict=True)) for x, there in by_lang.items()} for v, by_lang in rows.items()
    }
    return Finding(SUITE, run.folder.name, "Reasoning", ABOUT, models(rows), sections(pairs, ladder), signature)


def main(
    variants: Variants = "e4b",
    thinking: Annotated[str, typer.Option(help="off, on, or off,on: both, and what thinking adds.")] = "off",
    langs: Langs = None,
    limit: Limit = None,
    concurrency: Concurrency = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Right answers by language, and what thinking adds beside what a size adds. A stopped run goes on."""
    console = Console(stderr=True)
    with told(console):
        settings = settings_with(concurrency)
        for name in listed(variants):
            if parse_variant(name, settings.variants).backend in ("extractive", "auto"):
                raise ValueError(f"{name!r} is no one model to reason; for example: --variants e2b,e4b")
        ladder = rungs(listed(variants), listed(thinking))
        finding = measure(settings, chosen_languages(langs), ladder, limit, settings.concurrency, console)
        publish(finding, settings, out, as_json, console)


if __name__ == "__main__":
    typer.run(main)
