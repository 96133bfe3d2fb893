"""Asks every variant every example of a suite, with rows on disk before anything is made of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import mlrag
from eval.runner.closed_book import ClosedBook
from eval.runner.plan import SEED, hash_package_files
from eval.runner.rows import Answerer, RowStore
from eval.types import Example, Prediction
from mlrag.generation.backends.base import Turn
from mlrag.languages import Language
from mlrag.settings import Settings

Examples = Mapping[str, Sequence[Example]]  # by language
Rows = Mapping[str, Mapping[str, Sequence[Prediction]]]  # by variant and language


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers under a variant's name, and the examples it is given."""

    asker: Answerer
    examples: Examples


def as_it_stands(prompt: str, lang: Language) -> tuple[Turn, ...]:
    """One turn, without a system prompt: the suite's own text is all that the model is told."""
    del lang
    return (Turn("user", prompt),)


def direct(settings: Settings, variant: str) -> ClosedBook:
    """The model behind a variant, given each prompt as it stands; what it did not finish is scored as far as it goes.

    What has no model fails at each question.
    """
    return ClosedBook(settings, variant, as_it_stands, keep_unfinished=True)


def sign(suite: str, settings: Settings, examples: Examples, **more: Any) -> dict[str, Any]:
    """All that a row depends on but the variant."""
    content = hashlib.sha256()
    for lang, found in examples.items():
        for e in found:
            content.update(f"{lang}\0{e.id}\0{e.question}\0{e.answers}\0{e.options}\n".encode())
    return {
        "suite": suite,
        "questions": content.hexdigest()[:16],
        "langs": list(examples),
        "code": mlrag.__version__,
        "generator": hash_package_files(["*.py", "*.toml", "*.json"]),
        "own_variants": {name: asdict(v) for name, v in sorted(settings.variants.items())},
        "seed": SEED,
        **more,
    }


def digest(value: Any) -> str:
    """Of anything that JSON knows."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def open_run(settings: Settings, signature: Mapping[str, Any]) -> RowStore:
    """Its folder is var/runs/SUITE-HASH."""
    return RowStore(settings.data_dir / "runs" / f"{signature['suite']}-{digest(signature)}")


def ask_all(
    run: RowStore, variants: Sequence[str], asked: Callable[[str], Asked], concurrency: int, console: Console
) -> dict[str, dict[str, list[Prediction]]]:
    """The rows of every variant in every language, in the order of its examples; finished ones are not asked again."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    found: dict[str, dict[str, list[Prediction]]] = {}
    with Progress(*columns, console=console, transient=True) as bar:
        for variant in variants:
            who = asked(variant)
            ready = sum(_ready(run, variant, lang, es) for lang, es in who.examples.items())
            task = bar.add_task(variant, total=sum(map(len, who.examples.values())), completed=ready)
            found[variant] = {
                lang: run.complete(who.asker, es, variant, lang, lambda task=task: bar.advance(task), concurrency)  # type: ignore[misc]
                for lang, es in who.examples.items()
            }
    return found


def models(rows: Rows) -> tuple[str, ...]:
    """Who answered, by name."""
    said = (p.model for by_lang in rows.values() for predictions in by_lang.values() for p in predictions)
    return tuple(sorted({model for model in said if model}))


def _ready(run: RowStore, variant: str, lang: str, examples: Sequence[Example]) -> int:
    done = run.finished(variant, lang)
    return sum(e.id in done for e in examples)
