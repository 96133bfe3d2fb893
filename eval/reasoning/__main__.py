"""python -m eval.reasoning: short arithmetic and deduction by variant and language, with and without thinking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from eval.probes.cli import Limit, make_command, split_names
from eval.probes.report import Section
from eval.probes.run import PreparedProbe, ProbeRequest, Respondent, Rows, ask_directly, open_run, pair_rows, sign
from eval.reasoning.items import make_examples
from eval.reasoning.metrics import make_sections
from mlrag.models.variants import parse_variant, with_thinking

PROBE = "reasoning"
ABOUT = (
    "Twelve word problems and twelve deductions with closed answers, the same items with the same numbers in every "
    "language. There are no documents: this measures the model alone. No native reader has checked the texts. "
    "Intervals are Wilson's on the effective sample size; an item is one cluster in all its languages."
)


def make_ladder(variants: Sequence[str], thinking: Sequence[str]) -> list[tuple[str, str | None]]:
    """Return each variant without thinking, and with it where both are asked. Raises ValueError for other words."""
    if not thinking or not set(thinking) <= {"on", "off"}:
        raise ValueError(f"--thinking is off, on, or off,on, not {','.join(thinking)!r}")
    if "off" not in thinking:
        return [(with_thinking(v, "on"), None) for v in variants]
    return [(with_thinking(v, "off"), with_thinking(v, "on") if "on" in thinking else None) for v in variants]


def prepare(
    request: ProbeRequest,
    thinking: Annotated[str, typer.Option(help="off, on, or off,on: both, and what thinking adds.")] = "off",
    limit: Limit = None,
) -> PreparedProbe:
    """Right answers by language, and what thinking adds beside what a size adds. A stopped run goes on."""
    settings = request.settings
    for name in request.variants:
        if parse_variant(name, settings.variants).backend in ("extractive", "auto"):
            raise ValueError(f"{name!r} is not a single model; for example: --variants e2b,e4b")
    ladder = make_ladder(request.variants, split_names(thinking))
    names = [name for step in ladder for name in step if name]
    examples = {lang: make_examples(lang, limit) for lang in request.langs}
    signature = sign(PROBE, settings, examples, limit=limit)

    def respondent(variant: str) -> Respondent:
        return Respondent(ask_directly(settings, variant), examples)

    def sections(rows: Rows) -> tuple[Section, ...]:
        return make_sections({variant: pair_rows(examples, by_lang) for variant, by_lang in rows.items()}, ladder)

    run = open_run(PROBE, settings, signature)
    return PreparedProbe(PROBE, "Reasoning", ABOUT, run, names, respondent, sections, signature)


main = make_command(prepare, "e4b")

if __name__ == "__main__":
    typer.run(main)
