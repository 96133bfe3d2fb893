"""python benchmarks/scoring.py [--rows 10000]: what scoring costs beside bare sacrebleu and numpy on the same rows.

Rows are those of a stored run, repeated up to the number asked for, answers, references and passages of each copy with
a number of their own, so that no copy is answered from another's cache. CPU seconds of this process, best of
`--repeats`, caches emptied before each. Bare: sacrebleu's sentence chrF against all references, and numpy's mean, on
texts as they are. The same by the bench: on normalised texts, a macro mean with its interval.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from sacrebleu.metrics.chrf import CHRF

from eval import layers, metrics, reply_language
from eval.examples import Example
from eval.metrics import chrf
from eval.plan import find_run, latest_run, read_plan
from eval.runs import Prediction, Run
from eval.scores import Rows, by_figure, score_rows, summarise_tier
from eval.statistics import macro_rate
from mlrag.languages import language
from mlrag.settings import Settings

ByLanguage = dict[str, list[tuple[Example, Prediction]]]


def rows_of(run: str | None, wanted: int) -> ByLanguage:
    """At least `wanted` rows in all, by language."""
    data = Settings().data_dir
    folder = find_run(data, run) if run else latest_run(data)
    plan, stored = read_plan(folder), Run(folder)
    variant = stored.variants()[0]
    found = {x: list(zip(es, stored.stored(es, variant, x), strict=True)) for x, es in plan.examples.items()}
    copies = -(-wanted // sum(map(len, found.values())))
    return {lang: [_copy(e, p, n) for n in range(copies) for e, p in rows] for lang, rows in found.items()}


def _copy(example: Example, prediction: Prediction, number: int) -> tuple[Example, Prediction]:
    answers = tuple(f"{a} {number}" for a in example.answers)
    own = replace(example, id=f"{example.id}#{number}", cluster=f"{example.cluster}#{number}", answers=answers)
    passages = tuple(f"{p} {number}" for p in prediction.passages)
    text = prediction.text if prediction.abstained else f"{prediction.text} {number}"
    return own, replace(prediction, id=own.id, text=text, passages=passages)


def bare(rows: ByLanguage) -> None:
    """The least that a report could be made of."""
    scorer = CHRF()
    for found in rows.values():
        said = [("" if p.abstained else p.text, e.answers) for e, p in found if e.answers]
        np.mean([scorer.sentence_score(text, answers).score for text, answers in said])


def chain(rows: ByLanguage) -> None:
    """The same figure as the bench has it."""
    values = {}
    for lang, found in rows.items():
        said = [("" if p.abstained else p.text, e) for e, p in found if e.answers]
        values[lang] = [(e.cluster, v / 100) for t, e in said if (v := chrf(t, e.answers, language(lang))) is not None]
    macro_rate(values)


def scored(rows: ByLanguage) -> dict[str, Rows]:
    """Every value of every row."""
    both = {lang: ([e for e, _ in found], [p for _, p in found]) for lang, found in rows.items()}
    return {lang: by_figure(es, score_rows(es, ps, language(lang))) for lang, (es, ps) in both.items()}


def whole(rows: ByLanguage) -> None:
    """Every figure with its interval, as one tier."""
    summarise_tier(scored(rows), [p for found in rows.values() for _, p in found])


def forget() -> None:
    """Empty every cache, so that no repeat is answered by the one before."""
    for module in (metrics, layers, reply_language):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def seconds(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds, the best of the repeats."""
    found = []
    for _ in range(repeats):
        forget()
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return min(found)


def main(
    rows: Annotated[int, typer.Option(min=1, help="Rows to score.")] = 10_000,
    run: Annotated[str | None, typer.Option(help="The run whose rows are taken; the latest without it.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="The best of so many.")] = 3,
) -> None:
    """Print the seconds and the ratios."""
    found = rows_of(run, rows)
    n = sum(map(len, found.values()))
    ready, predictions = scored(found), [p for rows in found.values() for _, p in rows]
    least = seconds(lambda: bare(found), repeats)
    times = {
        "bare sacrebleu chrF + numpy mean": least,
        "the bench's chrF, macro mean, interval": seconds(lambda: chain(found), repeats),
        "every figure of every row": seconds(lambda: scored(found), repeats),
        "every figure's mean and interval": seconds(lambda: summarise_tier(ready, predictions), repeats),
    }
    console = Console()
    console.print(f"{n} rows, {len(found)} languages, CPU seconds")
    for name, took in times.items():
        console.print(
            f"{name}: {took:.2f} s, {1e6 * took / n:.0f} µs a row, {took / least:.2f} x bare", highlight=False
        )


if __name__ == "__main__":
    typer.run(main)
