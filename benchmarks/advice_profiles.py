"""python -m benchmarks.advice_profiles OUT [--profile laptop]: the advice for three people, from stand-ins' runs.

The stand-ins are scripts, no models: each answers a share of our own questions rightly, a share that was written down
here for the sake of having something to tell apart, and says how many seconds it took. What they show is the
advice, never a variant. Each profile also gets its advice from published figures alone.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from eval.baselines.scripted import AnswerKey, Scripted, add_removed, own_answer_key, predict_unchecked
from eval.runner.jsonl_log import file_name
from eval.runner.plan import RunPlan, write_plan
from eval.types import Example, Prediction

CORPORA = Path(__file__).parent.parent / "corpora"
ALL = ("en", "de", "es", "fr", "pt", "zh", "ja", "ar", "hi", "ko", "tr", "bn", "ta", "sw", "ne", "si")


@dataclass(frozen=True, slots=True)
class Script:
    """A stand-in: right answers in tier 1 and how many fewer each tier further down, silence, seconds, tokens."""

    right: float
    falls: float
    silent: float
    seconds: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Profile:
    """Who asks: options of eval.advise, languages, and what stands in for each variant."""

    options: tuple[str, ...]
    langs: tuple[str, ...]
    scripts: Mapping[str, Script]


def _pair(name: str, right: float, falls: float, silent: float, seconds: float) -> dict[str, Script]:
    """A variant without thinking, and with it: a little better, and much slower."""
    thinking = Script(min(0.97, right + 0.06), falls * 0.7, min(0.97, silent + 0.06), 4 * seconds, 900)
    return {name: Script(right, falls, silent, seconds, 120), f"{name}+think": thinking}


EXTRACTIVE = {"extractive": Script(0.66, 0.02, 0.6, 0.02, 0)}
PROFILES = {
    "laptop": Profile(
        ("--langs", "ta=1,si=1", "--ram", "8", "--vram", "0", "--locality", "device"),
        ("ta", "si"),
        EXTRACTIVE
        | _pair("llamacpp:gemma-4-e2b-it-q4_0.gguf", 0.8, 0.12, 0.5, 6.0)
        | _pair("llamacpp:gemma-4-e4b-it-q4_0.gguf", 0.92, 0.05, 0.8, 11.0)
        | _pair("12b", 0.95, 0.03, 0.9, 30.0),
    ),
    "gpu": Profile(
        ("--langs", ",".join(ALL), "--ram", "16", "--vram", "24"),
        ALL,
        EXTRACTIVE
        | _pair("e2b", 0.8, 0.1, 0.6, 0.8)
        | _pair("e4b", 0.88, 0.07, 0.75, 1.1)
        | _pair("12b", 0.95, 0.02, 0.93, 1.9)
        | _pair("26b", 0.955, 0.02, 0.935, 1.2)
        | _pair("31b", 0.96, 0.015, 0.94, 4.5),
    ),
    "api": Profile(
        ("--scenario", "C", "--langs", "en=2,ta=1,si=1"),
        ("en", "ta", "si"),
        EXTRACTIVE
        | _pair("gemini:26b", 0.94, 0.03, 0.9, 1.4)
        | _pair("gemini:31b", 0.95, 0.02, 0.93, 2.6)
        | _pair("openai:google/gemma-4-26b-a4b-it", 0.94, 0.03, 0.9, 1.6)
        | _pair("openai:google/gemma-4-31b-it", 0.95, 0.02, 0.93, 3.1),
    ),
}


def _below(share: float, *parts: str) -> bool:
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < share


def prediction(name: str, script: Script, keys: Mapping[str, AnswerKey], lang: str, example: Example) -> Prediction:
    """What the stand-in says to one question. Its luck is its own, and the question's: some are hard for all."""
    key = keys[lang]
    right = script.right - script.falls * (key.lang.tier - 1)

    def reply(_keys: object, key: AnswerKey, example: Example, _hits: object) -> str | None:
        knows = _below(right, name if _below(0.5, example.id) else "all", lang, example.id)
        return f"{key.answering[example.id] if knows else key.wrong_sentence(example)} [1]"

    def lost(_keys: object, key: AnswerKey, example: Example, _hits: object) -> str | None:
        silent = _below(script.silent, name if _below(0.5, example.id) else "all", lang, example.id)
        return None if silent else f"{key.wrong_sentence(example)} [1]"

    said = predict_unchecked(Scripted(name, keys, lang, reply, lost), key, example)
    seconds = script.seconds * (0.7 + 0.6 * (len(example.id) % 7) / 6)
    return replace(said, variant=name, seconds=seconds, prompt_tokens=900, output_tokens=script.tokens)


def make_run(folder: Path, profile: Profile) -> Path:
    """A run as eval.tiers leaves it, answered by the stand-ins."""
    keys = {lang: own_answer_key(lang, CORPORA) for lang in profile.langs}
    examples = {lang: add_removed(key) for lang, key in keys.items()}
    signature = {"data": "our own questions, stand-ins", "langs": list(profile.langs), "own_variants": {}, "seed": 0}
    plan = RunPlan(signature, examples)
    run = folder / "runs" / plan.name
    write_plan(run, plan)
    for name, script in profile.scripts.items():
        for lang, found in examples.items():
            rows = [json.dumps(asdict(prediction(name, script, keys, lang, e)), ensure_ascii=False) for e in found]
            (run / f"{file_name(name)}.{lang}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return run


def main(
    out: Annotated[Path, typer.Argument(help="Where runs and pages go.")],
    profile: Annotated[str | None, typer.Option(help="laptop, gpu or api; all three without.")] = None,
) -> None:
    """Make the runs, and advise from them and from published figures."""
    for name, chosen in PROFILES.items() if profile is None else {profile: PROFILES[profile]}.items():
        run = make_run(out / name, chosen)
        for kind, more in (("measured", ["--run", str(run)]), ("published", ["--published"])):
            command = [sys.executable, "-m", "eval.advise", *chosen.options, *more, "--out", str(out / name / kind)]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            typer.echo(f"### {name}, {kind}\n\n{told.splitlines()[0]}\n")


if __name__ == "__main__":
    typer.run(main)
