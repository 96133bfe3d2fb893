"""The examples that a page shows: which rows, and which parts of their texts are marked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from eval.metrics.citations import cited_passages
from eval.metrics.grounding import numbers_absent
from eval.metrics.outcome import MARKS
from eval.report.failure_analysis import DESCRIPTIONS, WORST_FIRST, FailureStage, classify_failure
from eval.report.marks import CITED, REFERENCE, MarkedPiece, MarkedSpan, cut_text, find_numbers, find_strings
from eval.results.run_report import RowValues
from eval.types import ARTICLE_REMOVED, Example, Prediction
from mlrag.languages import Language

WORST, RANDOM = 12, 6


@dataclass(frozen=True, slots=True)
class AnalysedRow:
    """One question, the reply, and what became of it."""

    example: Example
    prediction: Prediction
    stage: FailureStage


@dataclass(frozen=True, slots=True)
class PassageView:
    """One passage as the page shows it; `index` counts from 1, `numbers` are the citations of it."""

    index: int
    docs: tuple[str, ...]
    numbers: tuple[int, ...]
    pieces: list[MarkedPiece]
    direction: str


@dataclass(frozen=True, slots=True)
class ExampleView:
    """One row as the page shows it."""

    row: AnalysedRow
    verdict: str
    notes: tuple[str, ...]
    answer: list[MarkedPiece]
    answer_direction: str
    cited: list[PassageView]
    others: list[PassageView]


def analyse_rows(rows: Sequence[tuple[Example, Prediction]], values: RowValues) -> list[AnalysedRow]:
    """Return the rows with their failure stages; `values` as of `score_rows`."""
    return [AnalysedRow(e, p, classify_failure(e, p, scored)) for (e, p), scored in zip(rows, values, strict=True)]


def select_worst(rows: Sequence[AnalysedRow], limit: int = WORST) -> list[AnalysedRow]:
    """Return one of each failure stage in turn, the worst stage first and, within a stage, the surest reply first."""

    def surest_first(row: AnalysedRow) -> tuple[float, str]:
        return -(row.prediction.confidence or 0.0), row.example.id

    kinds = [sorted((r for r in rows if r.stage is stage), key=surest_first) for stage in WORST_FIRST]
    return [row for row in chain.from_iterable(zip_longest(*kinds)) if row is not None][:limit]


def sample_rows(rows: Sequence[AnalysedRow], seed: str, limit: int = RANDOM) -> list[AnalysedRow]:
    """Draw rows at random, right ones among them; the same rows for the same seed."""
    return random.Random(seed).sample(list(rows), min(limit, len(rows)))


def view_example(row: AnalysedRow, lang: Language) -> ExampleView:
    """Return a row with its answer and passages cut where parts are marked."""
    passages = [_view_passage(row, index, lang) for index in range(len(row.prediction.passages))]
    return ExampleView(
        row,
        DESCRIPTIONS[row.stage],
        _notes(row.example, row.prediction),
        _mark_answer(row.example, row.prediction),
        text_direction(row.prediction.text, lang),
        [passage for passage in passages if passage.numbers],
        [passage for passage in passages if not passage.numbers],
    )


def text_direction(text: str, lang: Language) -> str:
    """Return the language's own direction where most letters are its own, else "auto": that of the first letter."""
    letters = [c for c in text if c.isalpha()]
    native = sum(ord(c) in lang.own_letters for c in letters)
    return lang.direction if 2 * native >= len(letters) else "auto"


def _mark_answer(example: Example, prediction: Prediction) -> list[MarkedPiece]:
    text = prediction.text
    absent = [] if prediction.abstained else numbers_absent(text, cited_passages(prediction)).absent
    citation_marks = {m.start() for m in MARKS.finditer(text)}
    numbers = [span for span in find_numbers(text, absent) if span.start - 1 not in citation_marks]
    citations = [MarkedSpan(c.start, c.end, CITED, n) for n, c in enumerate(prediction.citations or (), 1)]
    return cut_text(text, [*citations, *find_strings(text, example.answers, REFERENCE), *numbers])


def _view_passage(row: AnalysedRow, index: int, lang: Language) -> PassageView:
    text, prediction = row.prediction.passages[index], row.prediction
    pairs = zip(prediction.citations or (), prediction.quotes, strict=False)
    citations = [(n, c.doc, quote) for n, (c, quote) in enumerate(pairs, 1) if c.passage == index]
    quotes = [span for n, _, quote in citations for span in find_strings(text, [quote], CITED, n)[:1]]
    return PassageView(
        index + 1,
        tuple(dict.fromkeys(doc for _, doc, _ in citations)),
        tuple(n for n, _, _ in citations),
        cut_text(text, [*quotes, *find_strings(text, row.example.answers, REFERENCE)]),
        text_direction(text, lang),
    )


def _notes(example: Example, prediction: Prediction) -> tuple[str, ...]:
    """Say in words what else is known of the row."""
    notes = []
    if not example.answerable:
        hidden = example.kind == ARTICLE_REMOVED
        notes.append("its document was hidden" if hidden else "the documents speak of the topic but do not say")
    elif example.gold_docs and example.only is None and not prediction.error:
        retrieved = set(example.gold_docs) & set(prediction.hit_docs)
        notes.append(f"document {', '.join(example.gold_docs)} {'found' if retrieved else 'not found'}")
    if prediction.confidence is not None:
        notes.append(f"confidence {prediction.confidence:.2f}")
    return (*notes, *(f"warning: {warning}" for warning in prediction.warnings))
