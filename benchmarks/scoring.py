"""python -m benchmarks.scoring [--rows 10000]: what scoring costs beside bare sacrebleu and numpy on the same rows.

Rows are those of a stored run, repeated up to the number asked for, answers, references and passages of each copy with
a number of their own, so that no copy is answered from another's cache. CPU seconds of this process, best of
`--repeats`, caches emptied before each.

Bare is what one would write by hand for the figures that need no passage: each text normalised once, exact match, token
F1, containment and 3-gram recall with Counters, sacrebleu's sentence chrF, and the cheapest interval there is,
1.96 standard errors in numpy. It knows nothing of clusters, scripts without blanks, digits of other scripts or
inflected words. "The same by the bench" are the same five figures with macro means and cluster-robust
intervals. The other lines have no bare counterpart: which language a reply is in, what stands in no passage.
"""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import regex
import typer
from rich.console import Console
from sacrebleu.metrics.chrf import CHRF

from eval.metrics import answers as metrics
from eval.metrics import grounding as layers
from eval.metrics import outcome, reply_language
from eval.metrics.answers import char3_recall, chrf, containment, exact_match, token_f1
from eval.metrics.citations import cited_passages
from eval.metrics.grounding import names_absent, numbers_absent, unsupported_proportion, words_unverified
from eval.results.scores import Rows, group_by_metric, score_rows, summarise_tier
from eval.runner.plan import find_run, latest_run, read_plan
from eval.runner.rows import RowStore
from eval.statistics import macro_rate
from eval.types import Example, Prediction
from mlrag.languages import language, languages
from mlrag.settings import Settings

ByLanguage = dict[str, list[tuple[Example, Prediction]]]


def rows_of(run: str | None, wanted: int) -> ByLanguage:
    """At least `wanted` rows in all, by language."""
    data = Settings().data_dir
    folder = find_run(data, run) if run else latest_run(data)
    plan, stored = read_plan(folder), RowStore(folder)
    variant = stored.variants()[0]
    found = {x: list(zip(es, stored.predictions(es, variant, x), strict=True)) for x, es in plan.examples.items()}
    copies = -(-wanted // sum(map(len, found.values())))
    return {lang: [_copy(e, p, n) for n in range(copies) for e, p in rows] for lang, rows in found.items()}


def _copy(example: Example, prediction: Prediction, number: int) -> tuple[Example, Prediction]:
    answers = tuple(f"{a} {number}" for a in example.answers)
    own = replace(example, id=f"{example.id}#{number}", cluster=f"{example.cluster}#{number}", answers=answers)
    passages = tuple(f"{p} {number}" for p in prediction.passages)
    text = prediction.text if prediction.abstained else f"{prediction.text} {number}"
    return own, replace(prediction, id=own.id, text=text, passages=passages)


_MARKS = regex.compile(r"[\p{P}\p{S}\s]+")
_ANSWER_FIGURES = (exact_match, token_f1, containment, char3_recall, chrf)


def bare(rows: ByLanguage) -> None:
    """Five figures, each with a mean and an interval, by language."""
    scorer = CHRF()
    for found in rows.values():
        said = [("" if p.abstained else p.text, e.answers) for e, p in found if e.answers]
        values = np.array([_by_hand(scorer, text, answers) for text, answers in said])
        mean, half = values.mean(0), 1.96 * values.std(0, ddof=1) / len(values) ** 0.5
        np.stack([mean - half, mean, mean + half])


def _by_hand(scorer: CHRF, text: str, answers: Sequence[str]) -> tuple[float, ...]:
    text, wanted = _plain(text), [_plain(a) for a in answers]
    tokens, grams = Counter(text.split()), _grams(text)
    return (
        float(text in wanted),
        max(_f1(tokens, Counter(w.split())) for w in wanted),
        float(any(w in text for w in wanted)),
        max((grams & g).total() / max(1, g.total()) for g in map(_grams, wanted)),
        scorer.sentence_score(text, wanted).score / 100,
    )


def _plain(text: str) -> str:
    return _MARKS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _grams(text: str) -> Counter[str]:
    return Counter([word[i : i + 3] for word in text.split() for i in range(max(1, len(word) - 2))])


def _f1(got: Counter[str], wanted: Counter[str]) -> float:
    return 2 * (got & wanted).total() / max(1, got.total() + wanted.total())


def chrf_alone(rows: ByLanguage) -> None:
    """sacrebleu and a mean, on texts as they are: the least that a report could be made of."""
    scorer = CHRF()
    for found in rows.values():
        said = [("" if p.abstained else p.text, e.answers) for e, p in found if e.answers]
        np.mean([scorer.sentence_score(text, answers).score for text, answers in said])


def answers(rows: ByLanguage) -> None:
    """The five figures as the bench has them."""
    values: dict[str, dict[str, list[tuple[str, float]]]] = {}
    for lang, found in rows.items():
        pack = language(lang)
        said = [("" if p.abstained else p.text, e) for e, p in found if e.answers]
        for text, example in said:
            for figure in _ANSWER_FIGURES:
                value = figure(text, example.answers, pack)
                if value is not None:
                    scaled = value / 100 if figure is chrf else value
                    values.setdefault(figure.__name__, {}).setdefault(lang, []).append((example.cluster, scaled))
    for found_by_language in values.values():
        macro_rate(found_by_language)


def tongues(rows: ByLanguage) -> None:
    """The language of every reply."""
    for lang, found in rows.items():
        for _, p in found:
            if not p.abstained:
                reply_language.reply_language(p.text, language(lang))


def grounding(rows: ByLanguage) -> None:
    """Numbers, names, words and sentences of every answer against its passages."""
    for lang, found in rows.items():
        pack = language(lang)
        for _, p in found:
            if not p.abstained:
                sources = cited_passages(p)
                numbers_absent(p.text, sources)
                names_absent(p.text, sources, pack)
                words_unverified(p.text, sources, pack)
                unsupported_proportion(p.text, p.passages, pack)


def scored(rows: ByLanguage) -> dict[str, Rows]:
    """Every value of every row."""
    both = {lang: ([e for e, _ in found], [p for _, p in found]) for lang, found in rows.items()}
    return {lang: group_by_metric(es, score_rows(es, ps, language(lang))) for lang, (es, ps) in both.items()}


def whole(rows: ByLanguage) -> None:
    """Every figure with its interval, as one tier."""
    summarise_tier(scored(rows), [p for found in rows.values() for _, p in found])


_TABLES = (language, languages)  # read once a process, as in any run


def forget() -> None:
    """Empty every cache, so that no repeat is answered by the one before."""
    for module in (layers, metrics, outcome, reply_language):
        for value in vars(module).values():
            if hasattr(value, "cache_clear") and value not in _TABLES:
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
    reply_language.reply_language(languages()["es"].sample_sentences[0], language("es"))  # reads the profiles
    work = {
        "sacrebleu chrF + numpy mean alone": lambda: chrf_alone(found),
        "bare: the five answer figures by hand": lambda: bare(found),
        "the same by the bench": lambda: answers(found),
        "reply language (no bare counterpart)": lambda: tongues(found),
        "numbers, names, sentences in passages (no bare counterpart)": lambda: grounding(found),
        "every figure of every row": lambda: scored(found),
        "every figure's mean and interval": lambda: summarise_tier(ready, predictions),
    }
    times = {name: seconds(one, repeats) for name, one in work.items()}
    least = times["bare: the five answer figures by hand"]
    console = Console(width=140)
    console.print(
        f"{n} rows, {sum(bool(e.answers) for rs in found.values() for e, _ in rs)} of them answerable, ", end=""
    )
    console.print(f"{len(found)} languages, CPU seconds, best of {repeats}", highlight=False)
    console.print("| | s | µs a row | times bare |\n|---|---|---|---|", highlight=False)
    for name, took in times.items():
        console.print(f"| {name} | {took:.2f} | {1e6 * took / n:.0f} | {took / least:.2f} |", highlight=False)


if __name__ == "__main__":
    typer.run(main)
