"""What one prediction amounts to, read by the bench itself: a generator's own flag is only half of it."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

import regex

from eval.metrics import normal
from eval.runs import Prediction
from mlrag.languages import Language

MARKS = regex.compile(r"\s*[\[【［]\s*\p{Nd}{1,2}(?:\s*[,،、]\s*\p{Nd}{1,2})*\s*[\]】］]")


class Outcome(StrEnum):
    """`INVALID` is neither an answer nor an abstention; it stays in every denominator."""

    ABSTAINED = "abstained"
    ANSWERED = "answered"
    INVALID = "invalid"


def outcome(prediction: Prediction, lang: Language) -> Outcome:
    """Abstained: flagged so, or the abstention sentence and nothing else. Invalid: no letter and no digit."""
    said = MARKS.sub("", prediction.text)
    if prediction.abstained or normal(said, lang) == normal(lang.abstention, lang):
        return Outcome.ABSTAINED
    readable = any(unicodedata.category(c)[0] in "LN" for c in said)
    return Outcome.ANSWERED if readable else Outcome.INVALID
