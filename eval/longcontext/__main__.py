"""python -m eval.longcontext: is the passage found at any depth of a long context, and its absence noticed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eval.longcontext.contexts import make_hunts, read_material
from eval.longcontext.metrics import make_sections
from eval.probes.cli import make_command, split_names
from eval.probes.report import Section
from eval.probes.run import PreparedProbe, ProbeRequest, Respondent, Rows, ask_directly, open_run, pair_rows, sign
from mlrag.factory import make_caller
from mlrag.generation.chat_generator import REPLY_TOKENS, THINKING_TOKENS
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

PROBE = "longcontext"
KEEP = 0.7
SHORTEST = 500  # tokens: less does not hold a passage beside the prompt
ABOUT = (
    "Questions of ours whose one gold passage is at a depth of a context filled with other documents, or is absent. "
    "Nothing is retrieved: the model reads all of it. Intervals are Wilson's on the effective sample size; a topic is "
    "one cluster at all depths and in all languages."
)


def context_limit(settings: Settings, variant: str) -> int:
    """Return how many tokens a context may have: the model's window as its backend reports it, less the reply."""
    think = parse_variant(variant, settings.variants).think
    return make_caller(settings, variant).model.window - REPLY_TOKENS - THINKING_TOKENS * think


def advertised_context(settings: Settings, variant: str) -> str:
    context = parse_variant(variant, settings.variants).context
    return f"{context:,}" if context else "unknown"


def parse_lengths(text: str) -> list[int]:
    """Parse lengths: "2000,4000" -> [2000, 4000], ascending. Raises ValueError."""
    lengths = sorted({int(n) for n in split_names(text)})
    if not lengths or lengths[0] < SHORTEST:
        raise ValueError(f"--lengths are tokens, {SHORTEST} or more, not {text!r}")
    return lengths


def prepare(
    request: ProbeRequest,
    lengths: Annotated[str, typer.Option(help="Tokens of context.")] = "2000,4000,8000,16000,32000",
    filler: Annotated[Path | None, typer.Option(help="A folder of <lang>.docs.jsonl, beside our corpora.")] = None,
    questions: Annotated[int, typer.Option(min=1, max=18, help="Questions a language.")] = 12,
    keep: Annotated[float, typer.Option(min=0, max=1, help="Share of the first score that a length must keep.")] = KEEP,
) -> PreparedProbe:
    """What is found by length, depth and language; the effective context beside the advertised one."""
    settings, sizes = request.settings, parse_lengths(lengths)
    hunts = {x: make_hunts(x, read_material(x, settings.corpora, filler), sizes, questions) for x in request.langs}
    signature = sign(PROBE, settings, {x: [h.example for h in hunts[x]] for x in hunts}, lengths=sizes)
    # Contexts beyond a variant's window are not asked.
    limits = {v: context_limit(settings, v) for v in request.variants}
    fitting = {v: {x: [h for h in hunts[x] if h.length <= limit] for x in hunts} for v, limit in limits.items()}

    def respondent(variant: str) -> Respondent:
        examples = {x: [h.example for h in of_language] for x, of_language in fitting[variant].items()}
        return Respondent(ask_directly(settings, variant), examples)

    def sections(rows: Rows) -> tuple[Section, ...]:
        pairs = {v: pair_rows(fitting[v], by_lang) for v, by_lang in rows.items()}
        return make_sections(pairs, sizes, keep, {v: advertised_context(settings, v) for v in rows})

    run = open_run(PROBE, settings, signature)
    return PreparedProbe(
        PROBE, "Long contexts", ABOUT, run, request.variants, respondent, sections, signature | {"keep": keep}
    )


main = make_command(prepare, "e4b")

if __name__ == "__main__":
    typer.run(main)
