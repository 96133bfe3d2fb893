"""Where a question was lost: the first stage that failed, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from eval.metrics.citations import cited_passages
from eval.metrics.grounding import numbers_absent
from eval.metrics.outcome import Outcome
from eval.results.scores import outcome_of
from eval.types import Example, Prediction


class FailureStage(StrEnum):
    """The stage at which a row failed, or that it did not. The first seven are of answerable questions, in order."""

    NOT_FOUND = "not-found"
    ABSTAINED = "abstained"
    INVALID = "invalid"
    LANGUAGE = "language"
    WRONG = "wrong"
    NUMBER = "number"
    RIGHT = "right"
    HALLUCINATED = "hallucinated"
    RIGHTLY_ABSTAINED = "rightly-abstained"
    UNSCORED = "unscored"
    FAILED = "failed"


DESCRIPTIONS = {
    FailureStage.NOT_FOUND: "Lost in retrieval: no document that answers was among the passages.",
    FailureStage.ABSTAINED: "Lost to abstention: the document was among the passages, yet the reply is an abstention.",
    FailureStage.INVALID: "The reply has no letter and no digit.",
    FailureStage.LANGUAGE: "Lost to language: not in the language of the question, or in an unknown one.",
    FailureStage.WRONG: "Wrong: no reference stands in the answer. (A true answer in other words counts so too.)",
    FailureStage.NUMBER: "Not grounded: a reference stands in the answer, and a number that no cited passage holds.",
    FailureStage.RIGHT: "Right: a reference stands in the answer, in the right language, no unsupported number.",
    FailureStage.HALLUCINATED: "Hallucinated: answered, though the passages hold no answer.",
    FailureStage.RIGHTLY_ABSTAINED: "Right to abstain: the passages hold no answer, and the reply says so.",
    FailureStage.UNSCORED: "Not scored: nothing comparable is known of the answer.",
    FailureStage.FAILED: "Failed: the generator gave no reply. In no metric.",
}
LOSSES = (  # label, stage: the steps of the waterfall
    ("retrieval: document not found", FailureStage.NOT_FOUND),
    ("abstention: found, not answered", FailureStage.ABSTAINED),
    ("no readable reply", FailureStage.INVALID),
    ("language: not in the one asked", FailureStage.LANGUAGE),
    ("answer: without the reference", FailureStage.WRONG),
    ("grounding: a number without a source", FailureStage.NUMBER),
    ("right", FailureStage.RIGHT),
)
WORST_FIRST = (
    FailureStage.HALLUCINATED,
    FailureStage.NUMBER,
    FailureStage.WRONG,
    FailureStage.LANGUAGE,
    FailureStage.NOT_FOUND,
    FailureStage.ABSTAINED,
    FailureStage.INVALID,
    FailureStage.FAILED,
)


def classify_failure(example: Example, prediction: Prediction, values: Mapping[str, float] | None) -> FailureStage:
    """Return a row's failure stage, from its values by metric (None: it failed).

    A right answer is right whatever was retrieved; any other is lost in retrieval first.
    """
    if values is None:
        return FailureStage.FAILED
    if not example.answerable:
        unanswerable = {
            Outcome.ABSTAINED: FailureStage.RIGHTLY_ABSTAINED,
            Outcome.INVALID: FailureStage.INVALID,
            Outcome.ANSWERED: FailureStage.HALLUCINATED,
        }
        return unanswerable[outcome_of(values)]
    if "contains" not in values:
        return FailureStage.UNSCORED
    stage = _classify_reply(prediction, values)
    return FailureStage.NOT_FOUND if values.get("recall@5") == 0 and stage is not FailureStage.RIGHT else stage


def _classify_reply(prediction: Prediction, values: Mapping[str, float]) -> FailureStage:
    outcome = outcome_of(values)
    if outcome is not Outcome.ANSWERED:
        return FailureStage.ABSTAINED if outcome is Outcome.ABSTAINED else FailureStage.INVALID
    if not values["reply_skipped"] and not values["reply_language"]:
        return FailureStage.LANGUAGE
    if not values["contains"]:
        return FailureStage.WRONG
    return FailureStage.NUMBER if _has_unsupported_number(prediction, values) else FailureStage.RIGHT


def _has_unsupported_number(prediction: Prediction, values: Mapping[str, float]) -> bool:
    if prediction.citations is None:  # rows of an earlier version, which kept no citations, are in no metric
        return bool(numbers_absent(prediction.text, cited_passages(prediction)).absent)
    return bool(values.get("hallucination:numbers"))


def count_losses(answerable: Iterable[FailureStage]) -> list[tuple[str, str, int]]:
    """Return label, kind and count of each step of the waterfall; the counts sum to all that were scored."""
    counts = Counter(answerable)
    return [
        (label, str(kind), counts[kind])
        for label, kind in LOSSES
        if counts[kind] or kind is not FailureStage.INVALID  # hardly ever occurs: no empty bar
    ]
