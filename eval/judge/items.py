"""The input and the grades of a judge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Label(StrEnum):
    """The closed set of labels. `UNSCORED`: the reply of the judge cannot be read."""

    RIGHT = "right"
    WRONG = "wrong"
    ABSTAINED = "abstained"
    UNSCORED = "unscored"


LABELS = (Label.RIGHT, Label.WRONG, Label.ABSTAINED)  # what a judge or a rater may say


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """One answer to be judged.

    Args:
        lang: the language that the answer must be in.
        references: all forms that count as right.
        passages: what the answer may be based on.
        cluster: items of one cluster are dependent.
    """

    id: str
    lang: str
    question: str
    answer: str
    references: tuple[str, ...]
    passages: tuple[str, ...] = ()
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """The judge's grade of one item.

    Args:
        key: fingerprint of the prompt.
        probability: of "right", in [0, 1]; None where the backend lists none.
        raw: the reply itself.
        error: why no reply came, else ""; the item is then asked again next time.
    """

    id: str
    key: str
    label: Label
    probability: float | None = None
    raw: str = ""
    error: str = ""

    @property
    def scored(self) -> bool:
        return self.label is not Label.UNSCORED

    @property
    def right(self) -> float:
        """1 for right, 0 for wrong and abstained."""
        return float(self.label is Label.RIGHT)

    @property
    def graded(self) -> float:
        """The probability of "right" where known, else 1 or 0."""
        return self.right if self.probability is None else self.probability


Choice = Literal["a", "b", "tie", "inconsistent", "unscored"]


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers is better, asked in both orders.

    "inconsistent": the two orders disagree, as those of a judge do who goes by position. `raw`: a first, b first.
    `error`: why no reply came; the pair is then asked again next time.
    """

    choice: Choice
    raw: tuple[str, str]
    error: str = ""
