"""Does a variant come to the same end when the same fact is asked in other words, or in another language? Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from eval.metrics.answers import containment
from eval.metrics.outcome import Outcome, outcome
from eval.statistics import Interval, clustered_rate
from eval.types import Example, Prediction
from mlrag.languages import language


class AnswerState(StrEnum):
    """How one question ended. An answer to a question that the documents do not answer is wrong."""

    RIGHT = "right"
    WRONG = "wrong"
    ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class AskedFact:
    """One way of asking a fact, and how it ended. `good`: right, or silent where the documents do not say."""

    fact: str
    lang: str
    state: AnswerState
    good: bool


@dataclass(frozen=True, slots=True)
class Consistency:
    """Over n sets of questions on one fact each: the share of agreeing pairs, and the share of sets good throughout.

    A variant that always abstains agrees with itself fully; `good` tells. None, n 0, where no set has two.
    """

    n: int
    agree: float | None
    agree_interval: Interval | None
    good: float | None
    good_interval: Interval | None


def classify_answer(example: Example, prediction: Prediction, fact: str) -> AskedFact | None:
    """None for a failed row, and for one whose answer is not known. The reference is that of its own language."""
    if prediction.error:
        return None
    lang = language(example.lang)
    said = outcome(prediction, lang)
    if said is Outcome.ABSTAINED:
        return AskedFact(fact, example.lang, AnswerState.ABSTAINED, not example.answerable)
    if said is Outcome.INVALID or not example.answerable:
        return AskedFact(fact, example.lang, AnswerState.WRONG, False)
    right = containment(prediction.text, example.answers, lang)
    if right is None:
        return None
    return AskedFact(fact, example.lang, AnswerState.RIGHT if right else AnswerState.WRONG, bool(right))


def agreement(states: Sequence[AnswerState]) -> float:
    """Share of pairs that are alike: counts c of n states, sum of c (c - 1) / (n (n - 1)). ValueError below two."""
    n = len(states)
    if n < 2:
        raise ValueError(f"agreement needs two answers, not {n}")
    return sum(c * (c - 1) for c in Counter(states).values()) / (n * (n - 1))


def consistency(rows: Iterable[AskedFact], *, across_languages: bool) -> Consistency:
    """Sets are a fact's languages, or a fact's wordings in one language; intervals are clustered by fact.

    Wilson's on the effective sample size (`clustered_rate`).
    """
    sets: dict[tuple[str, str], list[AskedFact]] = defaultdict(list)
    for row in rows:
        sets[(row.fact, "" if across_languages else row.lang)].append(row)
    kept = {key: found for key, found in sets.items() if len(found) > 1}
    if not kept:
        return Consistency(0, None, None, None, None)
    facts = [fact for fact, _ in kept]
    agree = [agreement([row.state for row in found]) for found in kept.values()]
    good = [float(all(row.good for row in found)) for found in kept.values()]
    n = len(kept)
    return Consistency(n, sum(agree) / n, clustered_rate(agree, facts), sum(good) / n, clustered_rate(good, facts))
