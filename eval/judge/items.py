"""What a judge is given and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Label(StrEnum):
    """The closed set of verdicts. `UNSCORED` is ours: the judge gave none that can be read."""

    RIGHT = "right"
    WRONG = "wrong"
    ABSTAINED = "abstained"
    UNSCORED = "unscored"


LABELS = (Label.RIGHT, Label.WRONG, Label.ABSTAINED)  # what a judge or a rater may say


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """One answer to be judged, with what it is judged by.

    `references` are all forms that count as right, `passages` what the answer may rest on. `lang` is the language
    that the answer has to be in. `cluster` names what makes items dependent.
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
    """What the judge said of one item.

    `key` is the fingerprint of all that it was shown. `probability` in [0, 1] of "right", None where the backend
    lists none. `raw` is the reply itself. `error`: why no reply came; the item is then asked again next time.
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
        """The probability of "right" where there is one, else 1 or 0."""
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
