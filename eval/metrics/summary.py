"""The summary score: one number in [0, 1] that no degenerate way of answering can win (docs/measurement.md).

summary = harmonic mean of A and S.
A: mean worth of the replies to answerable questions; an abstention is worth 0.
S: share of the unanswerable questions that were met with an abstention, mean of the kinds (near miss, article
removed). Always abstaining gives A = 0, always answering gives S = 0, and either makes the summary 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.metrics.answers import char3_recall, containment, normal
from eval.metrics.bleu import is_long
from eval.metrics.citations import citation_coverage, citation_precision, cited_passages
from eval.metrics.grounding import numbers_absent, unsupported_proportion
from eval.metrics.outcome import MARKS, Outcome, outcome
from eval.metrics.reply_language import ReplyLanguage, reply_language
from eval.metrics.selective import ClusteredValue, Floats, harmonic, joint_interval
from eval.statistics import Interval
from eval.types import Example, Prediction
from mlrag.languages import Language

ANSWER, ABSTENTION = "summary:answer", "summary:abstention:"  # the kind of the unanswerable follows


@dataclass(frozen=True, slots=True)
class ReplyQuality:
    """What a reply to an answerable question is worth: right, in the language, and as good as its weakest side.

    All in [0, 1]. `right`: a reference stands in it. `in_language`: 0 or 1. `concise`: 1 up to about a third of a
    passage, then falling with the square of the length. `grounded`: 0 with a number from nowhere, else the share of
    supported sentences. `cited`: share of citations that are right, halved as far as sentences lack one.
    """

    right: float
    in_language: float
    concise: float
    grounded: float
    cited: float

    @property
    def value(self) -> float:
        return self.right * self.in_language * min(self.concise, self.grounded, self.cited)


NOTHING = ReplyQuality(0.0, 0.0, 0.0, 0.0, 0.0)


def rate_reply(example: Example, prediction: Prediction, lang: Language) -> ReplyQuality | None:
    """The worth of one reply; None where nothing comparable is known of the answer.

    What a wrong reply has beside is not looked at: it is worth 0 in any case.
    """
    right = rate_rightness(prediction.text, example.answers, lang)
    if right is None:
        return None
    if not right or outcome(prediction, lang) is not Outcome.ANSWERED:
        return NOTHING
    return ReplyQuality(
        right,
        float(reply_language(prediction.text, lang) in (ReplyLanguage.ASKED, ReplyLanguage.SKIPPED)),
        rate_conciseness(prediction.text, example.answers, lang),
        rate_grounding(prediction, lang),
        rate_citations(prediction, example.gold_docs),
    )


def rate_rightness(text: str, answers: Sequence[str], lang: Language) -> float | None:
    """Containment of a reference; for references too long to be repeated word for word, their 3-gram recall."""
    found = containment(text, answers, lang)
    long_ones = [a for a in answers if is_long(a, lang)]
    if not long_ones or found is None:
        return found
    return max(found, char3_recall(text, long_ones, lang) or 0.0)


def rate_conciseness(text: str, answers: Sequence[str], lang: Language) -> float:
    """min(1, (budget / length)²); the budget is a third of a passage and the longest reference, in characters."""
    length = len(normal(MARKS.sub("", text), lang))
    budget = lang.passage_chars / 3 + max((len(normal(a, lang)) for a in answers), default=0)
    return min(1.0, (budget / max(1, length)) ** 2)


def rate_grounding(prediction: Prediction, lang: Language) -> float:
    """1 where the row keeps no passages or nothing in the answer can be checked."""
    if not prediction.passages:
        return 1.0
    sources = cited_passages(prediction)
    if numbers_absent(prediction.text, sources).any_absent:
        return 0.0
    return 1.0 - (unsupported_proportion(prediction.text, prediction.passages, lang) or 0.0)


def rate_citations(prediction: Prediction, gold_docs: Sequence[str]) -> float:
    """Precision x (1 + coverage) / 2; precision is 1 where it is undefined, so an uncited answer gives 1/2."""
    if prediction.citations is None:
        return 1.0
    precision = citation_precision(prediction.citations, gold_docs)
    coverage = citation_coverage(prediction.text, prediction.citations) or 0.0
    return (1.0 if precision is None else precision) * (1 + coverage) / 2


def summary_parts(example: Example, prediction: Prediction, lang: Language) -> dict[str, float]:
    """What one row adds to the summary, under the name of its part."""
    if not example.answerable:
        return {ABSTENTION + example.gap: float(outcome(prediction, lang) is Outcome.ABSTAINED)}
    found = rate_reply(example, prediction, lang)
    return {} if found is None else {ANSWER: found.value}


def summary(rows: Mapping[str, Sequence[ClusteredValue]]) -> tuple[float, int, Interval] | None:
    """The score of one language; see `macro_summary`."""
    return macro_summary({"": rows})


def macro_summary(
    by_language: Mapping[str, Mapping[str, Sequence[ClusteredValue]]],
) -> tuple[float, int, Interval] | None:
    """The mean of the languages' scores, its rows and its interval; items shared by languages are drawn together.

    A language without answerable or without unanswerable rows has no score; None where none has one.
    """
    parts: dict[Hashable, Sequence[ClusteredValue]] = {}
    for lang, rows in by_language.items():
        own: dict[Hashable, Sequence[ClusteredValue]] = {
            (lang, n): found for n, found in rows.items() if found and (n == ANSWER or n.startswith(ABSTENTION))
        }
        parts |= own if (lang, ANSWER) in own and len(own) > 1 else {}
    if not parts:
        return None
    means = {part: np.array([np.mean([v for _, v in found])]) for part, found in parts.items()}
    return float(_join(means)[0]), sum(map(len, parts.values())), joint_interval(parts, _join)


def _join(means: Mapping[Any, Floats]) -> Floats:
    """Parts are (language, name)."""
    found = []
    for lang in dict.fromkeys(lang for lang, _ in means):
        silent = np.mean([v for (there, name), v in means.items() if there == lang and name != ANSWER], axis=0)
        found.append(harmonic(means[lang, ANSWER], silent))
    return np.asarray(np.mean(found, axis=0))
