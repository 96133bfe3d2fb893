"""Rows that a page shows: which, and with what marked."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from eval.datasets.own import ARTICLE_REMOVED, Example
from eval.metrics.citations import cited_passages
from eval.metrics.grounding import numbers_absent
from eval.metrics.outcome import MARKS
from eval.report.failure_analysis import WORDS, WORST_FIRST, Fate, fate
from eval.report.marks import CITED, REFERENCE, Part, Piece, every, pieces, runs
from eval.runner.rows import Prediction
from mlrag.languages import Language

WORST, RANDOM = 12, 6


@dataclass(frozen=True, slots=True)
class Row:
    """One question, the reply, and what became of it."""

    example: Example
    prediction: Prediction
    fate: Fate


@dataclass(frozen=True, slots=True)
class Source:
    """One passage as the page shows it; `numbers` are the citations that point to it."""

    place: int
    docs: tuple[str, ...]
    numbers: tuple[int, ...]
    pieces: list[Piece]
    direction: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One row as the page shows it."""

    row: Row
    verdict: str
    notes: tuple[str, ...]
    answer: list[Piece]
    answer_direction: str
    cited: list[Source]
    others: list[Source]


def judged(rows: Sequence[tuple[Example, Prediction]], values: Sequence[Mapping[str, float] | None]) -> list[Row]:
    """Rows with their fates; `values` as of `score_rows`."""
    return [Row(e, p, fate(e, p, found)) for (e, p), found in zip(rows, values, strict=True)]


def worst(rows: Sequence[Row], limit: int = WORST) -> list[Row]:
    """One of each bad fate in turn, worst fate first and, within a fate, the surest reply first."""
    kinds = [sorted((r for r in rows if r.fate is bad), key=_surest) for bad in WORST_FIRST]
    return [row for row in chain.from_iterable(zip_longest(*kinds)) if row is not None][:limit]


def _surest(row: Row) -> tuple[float, str]:
    return -(row.prediction.confidence or 0.0), row.example.id


def drawn(rows: Sequence[Row], seed: str, limit: int = RANDOM) -> list[Row]:
    """Rows drawn by chance, right ones among them; the same ones for the same seed."""
    return random.Random(seed).sample(list(rows), min(limit, len(rows)))


def show(row: Row, lang: Language) -> Shown:
    example, prediction = row.example, row.prediction
    sources = [_source(row, place, lang) for place in range(len(prediction.passages))]
    return Shown(
        row,
        WORDS[row.fate],
        _notes(example, prediction),
        _answer(example, prediction),
        direction(prediction.text, lang),
        [source for source in sources if source.numbers],
        [source for source in sources if not source.numbers],
    )


def direction(text: str, lang: Language) -> str:
    """The language's own direction where most letters are its own, else whatever the text begins with."""
    letters = [c for c in text if c.isalpha()]
    own = sum(ord(c) in lang.own_letters for c in letters)
    return lang.direction if 2 * own >= len(letters) else "auto"


def _answer(example: Example, prediction: Prediction) -> list[Piece]:
    text = prediction.text
    absent = [] if prediction.abstained else numbers_absent(text, cited_passages(prediction)).absent
    marked = {m.start() for m in MARKS.finditer(text)}
    numbers = [part for part in runs(text, absent) if part.start - 1 not in marked]
    spans = [Part(c.start, c.end, CITED, n) for n, c in enumerate(prediction.citations or (), 1)]
    return pieces(text, [*spans, *every(text, example.answers, REFERENCE), *numbers])


def _source(row: Row, place: int, lang: Language) -> Source:
    text, prediction = row.prediction.passages[place], row.prediction
    pairs = zip(prediction.citations or (), prediction.quotes, strict=False)
    here = [(n, c.doc, quote) for n, (c, quote) in enumerate(pairs, 1) if c.passage == place]
    parts = [part for n, _, quote in here for part in every(text, [quote], CITED, n)[:1]]
    return Source(
        place + 1,
        tuple(dict.fromkeys(doc for _, doc, _ in here)),
        tuple(n for n, _, _ in here),
        pieces(text, [*parts, *every(text, row.example.answers, REFERENCE)]),
        direction(text, lang),
    )


def _notes(example: Example, prediction: Prediction) -> tuple[str, ...]:
    """What else can be said of the row, in words."""
    notes = []
    if not example.answerable:
        removed = example.kind == ARTICLE_REMOVED
        notes.append("its document was hidden" if removed else "the documents speak of the topic but do not say")
    elif example.gold_docs and example.only is None and not prediction.error:
        found = set(example.gold_docs) & set(prediction.hit_docs)
        notes.append(f"document {', '.join(example.gold_docs)} {'found' if found else 'not found'}")
    if prediction.confidence is not None:
        notes.append(f"confidence {prediction.confidence:.2f}")
    return (*notes, *(f"warning: {warning}" for warning in prediction.warnings))
