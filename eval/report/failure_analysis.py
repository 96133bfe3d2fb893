"""What became of a question: the first place where it was lost, or that it was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from eval.datasets.own import Example
from eval.metrics.citations import cited_passages
from eval.metrics.grounding import numbers_absent
from eval.metrics.outcome import Outcome
from eval.results.scores import outcome_of
from eval.runner.rows import Prediction


class Fate(StrEnum):
    """One for each row. The first seven are of answerable questions, in the order in which they are looked for."""

    NOT_FOUND = "not-found"
    SILENT = "silent"
    INVALID = "invalid"
    LANGUAGE = "language"
    WRONG = "wrong"
    NUMBER = "number"
    RIGHT = "right"
    HALLUCINATED = "hallucinated"
    KEPT_SILENT = "kept-silent"
    UNSCORED = "unscored"
    FAILED = "failed"


WORDS = {
    Fate.NOT_FOUND: "Lost in retrieval: no document that answers was among the passages.",
    Fate.SILENT: "Lost to silence: the document was among the passages, yet the reply is an abstention.",
    Fate.INVALID: "The reply has no letter and no digit.",
    Fate.LANGUAGE: "Lost to language: the reply is not in the language of the question, or cannot be told to be.",
    Fate.WRONG: "Wrong: no reference stands in the answer. (A true answer in other words counts so too.)",
    Fate.NUMBER: "Not grounded: a reference stands in the answer, and so does a number that no cited passage holds.",
    Fate.RIGHT: "Right: a reference stands in the answer, in the language asked for, no number from nowhere.",
    Fate.HALLUCINATED: "Hallucinated: answered, though the passages hold no answer.",
    Fate.KEPT_SILENT: "Right to be silent: the passages hold no answer, and the reply says so.",
    Fate.UNSCORED: "Not scored: nothing comparable is known of the answer.",
    Fate.FAILED: "Failed: the generator gave no reply. In no figure.",
}
LOSSES = (  # label, fate: the steps of the waterfall
    ("retrieval: document not found", Fate.NOT_FOUND),
    ("abstention: found, not answered", Fate.SILENT),
    ("no readable reply", Fate.INVALID),
    ("language: not in the one asked", Fate.LANGUAGE),
    ("answer: without the reference", Fate.WRONG),
    ("grounding: a number from nowhere", Fate.NUMBER),
    ("right", Fate.RIGHT),
)
WORST_FIRST = (
    Fate.HALLUCINATED,
    Fate.NUMBER,
    Fate.WRONG,
    Fate.LANGUAGE,
    Fate.NOT_FOUND,
    Fate.SILENT,
    Fate.INVALID,
    Fate.FAILED,
)


def fate(example: Example, prediction: Prediction, values: Mapping[str, float] | None) -> Fate:
    """The row's fate, by what it counts in each figure (None: it failed). A right answer is right whatever was found;
    any other is lost in retrieval first."""
    if values is None:
        return Fate.FAILED
    if not example.answerable:
        return _due_silence(outcome_of(values))
    if "contains" not in values:
        return Fate.UNSCORED
    said = _said(prediction, values)
    return Fate.NOT_FOUND if values.get("recall@5") == 0 and said is not Fate.RIGHT else said


def _due_silence(said: Outcome) -> Fate:
    return {Outcome.ABSTAINED: Fate.KEPT_SILENT, Outcome.INVALID: Fate.INVALID}.get(said, Fate.HALLUCINATED)


def _said(prediction: Prediction, values: Mapping[str, float]) -> Fate:
    said = outcome_of(values)
    if said is not Outcome.ANSWERED:
        return Fate.SILENT if said is Outcome.ABSTAINED else Fate.INVALID
    if not values["reply_skipped"] and not values["reply_language"]:
        return Fate.LANGUAGE
    if not values["contains"]:
        return Fate.WRONG
    return Fate.NUMBER if _has_number_from_nowhere(prediction, values) else Fate.RIGHT


def _has_number_from_nowhere(prediction: Prediction, values: Mapping[str, float]) -> bool:
    if prediction.citations is None:  # of before citations were kept: in no figure
        return bool(numbers_absent(prediction.text, cited_passages(prediction)).absent)
    return bool(values.get("hallucination:numbers"))


def losses(answerable: Iterable[Fate]) -> list[tuple[str, str, int]]:
    """Label, kind and count of each step of the waterfall; the counts sum to all that were scored."""
    counts = Counter(answerable)
    return [(label, str(kind), counts[kind]) for label, kind in LOSSES if counts[kind] or kind is not Fate.INVALID]
