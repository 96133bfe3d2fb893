"""What one prediction amounts to, read by the bench itself: a generator's own flag is only half of it."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

import regex

from eval.metrics.answers import normal
from eval.types import Prediction
from mlrag.languages import Language

MARKS = regex.compile(r"\s*[\[【［]\s*\p{Nd}{1,2}(?:\s*[,،、]\s*\p{Nd}{1,2})*\s*[\]】］]")


class Outcome(StrEnum):
    """`INVALID` is neither an answer nor an abstention; it stays in every denominator."""

    ABSTAINED = "abstained"
    ANSWERED = "answered"
    INVALID = "invalid"


@lru_cache(maxsize=4096)
def strip_citation_marks(text: str) -> str:
    """A text without its citation marks."""
    return MARKS.sub("", text)


def outcome(prediction: Prediction, lang: Language) -> Outcome:
    """Abstained: flagged so, or the abstention sentence and nothing else. Invalid: no letter and no digit."""
    said = strip_citation_marks(prediction.text)
    if prediction.abstained or normal(said, lang) == normal(lang.abstention, lang):
        return Outcome.ABSTAINED
    return Outcome.ANSWERED if any(map(str.isalnum, said)) else Outcome.INVALID
