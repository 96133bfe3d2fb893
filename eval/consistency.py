"""python -m eval.consistency: the same fact in other words and in other languages; how often the answers agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console

from eval.datasets.own import drawn, own_questions, read_jsonl
from eval.metrics.agreement import AskedFact as Ended
from eval.metrics.agreement import classify_answer as ended
from eval.metrics.agreement import consistency
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
from eval.probes.figures import failures, groups
from eval.probes.finding import Cell, Finding, Section
from eval.probes.run import Asked, Rows, ask_all, models
from eval.results.metric_value import MetricValue
from eval.runner.answer import make_answerer
from eval.runner.prepare import load_data, prepare
from eval.types import Example, Prediction
from mlrag.errors import CorpusFormatError
from mlrag.settings import Settings
from mlrag.text.normalize import clean

SUITE = "consistency"
PARAPHRASES = Path(__file__).parent / "data" / "paraphrases"
HEAD = ("variant", "group", "agree", "good throughout", "failed")
LANGUAGES, WORDS = "In other languages", "In other words"
ABOUT = (
    "One fact, asked in several languages, or in several wordings of one. Each question ends right (a reference of its "
    "own language stands in the answer), wrong or abstained. Our questions and their rewordings were not checked by "
    "native readers."
)
NOTE = (
    "Agree: mean share of a set's pairs that end alike. Good throughout: share of sets that are right every time, or "
    "silent every time where the documents do not say; a variant that always abstains agrees fully and is good at "
    "nothing. n: sets; Wilson's interval on the effective sample size, a fact one cluster."
)


def rewordings(lang: str, examples: Sequence[Example]) -> list[Example]:
    """Our test questions in other words: the same answers and documents, ids "dengue-2~w1". None without a file."""
    path = PARAPHRASES / f"{lang}.jsonl"
    by_id = {e.id: e for e in examples}
    found = []
    for row in read_jsonl(path) if path.is_file() else ():
        if not isinstance(row.get("rewordings"), list) or "id" not in row:
            raise CorpusFormatError(f'{path}: a row is not {{"id", "rewordings": […]}}: {str(row)[:80]}')
        if row["id"] in by_id:
            texts = enumerate(map(clean, row["rewordings"]), 1)
            found += [replace(by_id[row["id"]], id=f"{row['id']}~w{n}", question=text) for n, text in texts]
    return found


def fact_of(example: Example) -> str:
    """ "dengue-2~w1" -> "dengue-2": our ids are the same in every language."""
    return example.id.split("~")[0]


def sections(examples: Mapping[str, Sequence[Example]], rows: Rows) -> tuple[Section, Section]:
    """Across languages, first wordings alone; then across the wordings of each language."""
    return (
        Section(LANGUAGES, NOTE, HEAD, [x for v, found in rows.items() for x in _lines(v, examples, found, True)]),
        Section(WORDS, NOTE, HEAD, [x for v, found in rows.items() for x in _lines(v, examples, found, False)]),
    )


def _lines(
    variant: str,
    examples: Mapping[str, Sequence[Example]],
    found: Mapping[str, Sequence[Prediction]],
    crossing: bool,
) -> Iterator[list[Cell]]:
    said = {x: _first(examples[x], found[x]) if crossing else _reworded(examples[x], found[x]) for x in found}
    for group, langs in groups(found).items():
        if crossing and len(langs) < 2:
            continue
        there = consistency([one for x in langs for one in said[x]], across_languages=crossing)
        agree = MetricValue(there.agree, there.n, there.agree_interval)
        good = MetricValue(there.good, there.n, there.good_interval)
        yield [variant, group, agree, good, failures(p for x in langs for p in found[x])]


def _first(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Ended]:
    pairs = zip(examples, predictions, strict=True)
    return _ended([(e, p) for e, p in pairs if e.id == fact_of(e)])


def _reworded(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Ended]:
    twice = {fact_of(e) for e in examples if e.id != fact_of(e)}
    return _ended([(e, p) for e, p in zip(examples, predictions, strict=True) if fact_of(e) in twice])


def _ended(pairs: Sequence[tuple[Example, Prediction]]) -> list[Ended]:
    return [found for e, p in pairs if (found := ended(e, p, fact_of(e)))]


def measure(
    settings: Settings, langs: Sequence[str], variants: Sequence[str], limit: int | None, at_once: int, console: Console
) -> Finding:
    """Ask what is not on disk yet, with the rows of `eval.tiers`, and compare all of it."""
    run = prepare(settings, load_data(settings, None, langs, None), cross_lingual=False)
    originals = {lang: drawn(own_questions(lang), limit) for lang in run.data.langs}
    examples = {lang: [*there, *rewordings(lang, there)] for lang, there in originals.items()}
    rows = ask_all(
        run.rows,
        variants,
        lambda variant: Asked(make_answerer(settings, run.retriever, variant), examples),
        at_once,
        console,
    )
    signature = {**run.plan.signature, "limit": limit}
    name = f"{SUITE}-{run.plan.name}"
    return Finding(SUITE, name, "Consistency", ABOUT, models(rows), sections(examples, rows), signature)


def main(
    variants: Variants = "extractive",
    langs: Langs = None,
    limit: Limit = None,
    concurrency: Concurrency = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """How often the same fact, asked otherwise, ends alike. Answers that python -m eval.tiers has are used again."""
    console = Console(stderr=True)
    with told(console):
        settings = settings_with(concurrency)
        finding = measure(settings, chosen_languages(langs), listed(variants), limit, settings.concurrency, console)
        publish(finding, settings, out, as_json, console)


if __name__ == "__main__":
    typer.run(main)
