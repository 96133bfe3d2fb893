"""RowStore a probe: ask every variant every example, and make its report of the rows, which are on disk first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import mlrag
from eval.probes.report import ProbeReport, Section
from eval.runner.closed_book import ClosedBook
from eval.runner.plan import SEED, hash_package_files
from eval.runner.rows import Answerer, RowStore
from eval.types import Example, Prediction
from mlrag.generation.backends.base import ChatMessage
from mlrag.languages import Language
from mlrag.settings import Settings

Examples = Mapping[str, Sequence[Example]]  # by language
Rows = Mapping[str, Mapping[str, Sequence[Prediction]]]  # by variant and language
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Respondent:
    """Who answers under a variant's name, and the examples it is given."""

    asker: Answerer
    examples: Examples


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What the command of every probe is given: names of variants, and language codes in order of tier."""

    settings: Settings
    variants: Sequence[str]
    langs: Sequence[str]


@dataclass(frozen=True, slots=True)
class PreparedProbe:
    """A probe that is ready to be run.

    Args:
        probe: The name of its command.
        title, about: Heading and first paragraph of its page.
        run: Where its rows are, and are written to.
        variants: The names to ask, in order.
        respondent: Who answers for a variant.
        sections: The tables, from the rows of all variants.
        signature: All that the rows and tables depend on but the variant.
        report_name: The name of the report's folder; without one that of the rows.
    """

    probe: str
    title: str
    about: str
    run: RowStore
    variants: Sequence[str]
    respondent: Callable[[str], Respondent]
    sections: Callable[[Rows], tuple[Section, ...]]
    signature: Mapping[str, Any]
    report_name: str = ""


def run_probe(prepared: PreparedProbe, concurrency: int, console: Console) -> ProbeReport:
    """Ask what is not on disk yet, at most `concurrency` questions at once, and score all of it."""
    p = prepared
    rows = ask_all(p.run, p.variants, p.respondent, concurrency, console)
    name = p.report_name or p.run.folder.name
    return ProbeReport(p.probe, name, p.title, p.about, list_models(rows), p.sections(rows), p.signature)


def as_user_turn(prompt: str, lang: Language) -> tuple[ChatMessage, ...]:
    """Return one turn without a system prompt: the probe's own text is all that the model is told."""
    del lang
    return (ChatMessage("user", prompt),)


def ask_directly(settings: Settings, variant: str) -> ClosedBook:
    """Return the model behind a variant, given each prompt as it is; an unfinished reply is scored as it is.

    A variant without a model fails at each question.
    """
    return ClosedBook(settings, variant, as_user_turn, keep_unfinished=True)


def sign(probe: str, settings: Settings, examples: Examples, **more: Any) -> dict[str, Any]:
    """Return all that a row depends on but the variant."""
    content = hashlib.sha256()
    for lang, of_language in examples.items():
        for e in of_language:
            content.update(f"{lang}\0{e.id}\0{e.question}\0{e.answers}\0{e.options}\n".encode())
    return {
        "suite": probe,
        "questions": content.hexdigest()[:16],
        "langs": list(examples),
        "code": mlrag.__version__,
        "generator": hash_package_files(["*.py", "*.toml", "*.json"]),
        "own_variants": {name: asdict(v) for name, v in sorted(settings.variants.items())},
        "seed": SEED,
        **more,
    }


def digest_json(value: Any) -> str:
    """Return ten hexadecimal digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def open_run(probe: str, settings: Settings, signature: Mapping[str, Any]) -> RowStore:
    """Open the run of this signature: var/runs/PROBE-DIGEST."""
    return RowStore(settings.data_dir / "runs" / f"{probe}-{digest_json(signature)}")


def ask_all(
    run: RowStore, variants: Sequence[str], respondent: Callable[[str], Respondent], concurrency: int, console: Console
) -> dict[str, dict[str, list[Prediction]]]:
    """Return the rows of every variant and language, in the order of its examples; finished ones are not repeated."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    rows: dict[str, dict[str, list[Prediction]]] = {}
    with Progress(*columns, console=console, transient=True) as bar:
        for variant in variants:
            who = respondent(variant)
            total = sum(map(len, who.examples.values()))
            missing = sum(len(run.missing(examples, variant, lang)) for lang, examples in who.examples.items())
            task = bar.add_task(variant, total=total, completed=total - missing)
            rows[variant] = {
                lang: run.complete(who.asker, examples, variant, lang, lambda task=task: bar.advance(task), concurrency)  # type: ignore[misc]
                for lang, examples in who.examples.items()
            }
    return rows


def list_models(rows: Rows) -> tuple[str, ...]:
    """Return who answered, as each calls itself, in order of name."""
    names = (p.model for by_lang in rows.values() for predictions in by_lang.values() for p in predictions)
    return tuple(sorted({name for name in names if name}))


def pair_rows(
    asked: Mapping[str, Sequence[T]], rows: Mapping[str, Sequence[Prediction]]
) -> dict[str, list[tuple[T, Prediction]]]:
    """Return, for each language, each item that was asked with its row."""
    return {lang: list(zip(asked[lang], predictions, strict=True)) for lang, predictions in rows.items()}
