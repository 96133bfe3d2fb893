"""python -m eval.longcontext: is the passage found at any depth of a long context, and its absence noticed?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eval.longcontext.contexts import Hunt, hunts, material
from eval.longcontext.figures import sections
from eval.probes.cli import (
    Concurrency,
    Json,
    Langs,
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
from mlrag.factory import make_caller
from mlrag.generation.chat_generator import REPLY_TOKENS, THINKING_TOKENS
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

SUITE = "longcontext"
KEEP = 0.7
ABOUT = (
    "Questions of ours whose one gold passage stands at a depth of a context filled with other documents, or is not "
    "there. Nothing is retrieved: the model reads all of it. Intervals are Wilson's on the effective sample "
    "size, a topic one cluster at all depths and in all languages."
)


def window(settings: Settings, variant: str) -> int:
    """Tokens that a context may have: the model's window as its backend tells it, less the reply."""
    think = parse_variant(variant, settings.variants).think
    return make_caller(settings, variant).model.window - REPLY_TOKENS - THINKING_TOKENS * think


def advertised(settings: Settings, variant: str) -> str:
    context = parse_variant(variant, settings.variants).context
    return f"{context:,}" if context else "not said"


def counts(text: str) -> list[int]:
    """ "2000,4000" -> [2000, 4000], ascending. Raises ValueError."""
    found = sorted({int(n) for n in listed(text)})
    if not found or found[0] < 500:
        raise ValueError(f"--lengths are tokens, 500 or more, not {text!r}")
    return found


def measure(
    settings: Settings,
    there: dict[str, list[Hunt]],
    variants: Sequence[str],
    lengths: Sequence[int],
    keep: float,
    at_once: int,
    console: Console,
) -> Finding:
    """Ask what is not on disk yet, and score all of it. Contexts beyond a variant's window are not asked."""
    signature = sign(SUITE, settings, {x: [h.example for h in hs] for x, hs in there.items()}, lengths=list(lengths))
    run = open_run(settings, signature)
    rooms = {v: window(settings, v) for v in variants}
    fitting = {v: {x: [h for h in hs if h.length <= rooms[v]] for x, hs in there.items()} for v in variants}

    def asked(variant: str) -> Asked:
        return Asked(direct(settings, variant), {x: [h.example for h in hs] for x, hs in fitting[variant].items()})

    rows = ask_all(run, variants, asked, at_once, console)
    pairs = {
        v: {x: list(zip(fitting[v][x], ps, strict=True)) for x, ps in by_lang.items()} for v, by_lang in rows.items()
    }
    tables = sections(pairs, lengths, keep, {v: advertised(settings, v) for v in variants})
    return Finding(SUITE, run.folder.name, "Long contexts", ABOUT, models(rows), tables, signature | {"keep": keep})


def main(
    variants: Variants = "e4b",
    lengths: Annotated[str, typer.Option(help="Tokens of context.")] = "2000,4000,8000,16000,32000",
    filler: Annotated[Path | None, typer.Option(help="A folder of <lang>.docs.jsonl, beside our corpora.")] = None,
    questions: Annotated[int, typer.Option(min=1, max=18, help="Questions a language.")] = 12,
    keep: Annotated[float, typer.Option(min=0, max=1, help="Share of the first score that a length must keep.")] = KEEP,
    langs: Langs = None,
    concurrency: Concurrency = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """What is found by length, depth and language; the effective context beside the advertised one."""
    console = Console(stderr=True)
    with told(console):
        settings, sizes = settings_with(concurrency), counts(lengths)
        there = {x: hunts(x, material(x, settings.corpora, filler), sizes, questions) for x in chosen_languages(langs)}
        finding = measure(settings, there, listed(variants), sizes, keep, settings.concurrency, console)
        publish(finding, settings, out, as_json, console)


if __name__ == "__main__":
    typer.run(main)
