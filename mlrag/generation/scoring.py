"""How well sentences and passages fit a question: the numbers behind extractive answers and abstention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlrag.records import Evidence, Sentence, Vectors
from mlrag.text.tokens import numbers, tokens

COVERAGE_WEIGHT = 2.0
FUSED_WEIGHT = 0.5
NUMBER_WEIGHT = 1.5
NUMBER_PRIOR = 0.3
FEATURES = ("passage_cosine", "sentence_cosine", "passage_distance")
NULL_QUANTILE = 0.35  # below the median, so that an index which does answer a third of the questions hardly shifts it


@dataclass(frozen=True, slots=True)
class ScoredSentence:
    sentence: Sentence
    score: float


def coverage(idf: Mapping[str, float], found: Iterable[str]) -> float:
    """Share of the question's idf mass whose tokens are found; in [0, 1]."""
    total = sum(idf.values())
    present = set(found)
    return sum(weight for token, weight in idf.items() if token in present) / total if total else 0.0


def score_sentences(evidence: Evidence, wants_number: float) -> list[ScoredSentence]:
    """cosine z-score + 2 × idf coverage + 0.5 × the passage's fused score + number evidence, best first.

    `wants_number` in [0, 1] is the chance that the answer holds a digit: a sentence with a number that the
    question lacks gains 1.5 × (wants_number - 0.3).
    """
    asked = numbers(evidence.question)
    spread = evidence.cosine_std or 1.0
    scored = []
    for s in evidence.sentences:
        score = (s.cosine - evidence.cosine_mean) / spread
        score += COVERAGE_WEIGHT * coverage(evidence.idf, tokens(s.text))
        score += FUSED_WEIGHT * evidence.hits[s.hit].score
        if numbers(s.text) - asked:
            score += NUMBER_WEIGHT * (wants_number - NUMBER_PRIOR)
        scored.append(ScoredSentence(s, score))
    return sorted(scored, key=lambda item: -item.score)


def answerability(evidence: Evidence) -> Vectors:
    """The features that tell answerable from not, in the order of FEATURES.

    The best passage's and the best sentence's cosine, and how far the best passage stands above the question's
    cosines to all passages, in their standard deviations. Scales differ by language and index: see `null_level`.
    """
    best = max(h.dense for h in evidence.hits)
    sentence = max((s.cosine for s in evidence.sentences), default=0.0)
    return np.array([best, sentence, (best - evidence.cosine_mean) / (evidence.cosine_std or 1.0)], np.float32)


def null_level(found: Sequence[Evidence]) -> Vectors:
    """What off-topic questions get from one index: the features' 35th percentiles over these questions' evidence."""
    features = np.array([answerability(e) for e in found])
    return np.asarray(np.quantile(features, NULL_QUANTILE, axis=0), np.float32)


def distance(evidence: Evidence) -> float:
    """How much further its best passage stands out than an off-topic question's would in the same index."""
    null = 0.0 if evidence.null is None else float(evidence.null[-1])
    return float(answerability(evidence)[-1]) - null


def asks_for_another_number(evidence: Evidence) -> bool:
    """Does the question hold a number (a year, most often) that none of the first passages holds?

    Seen in under 1 % of answerable questions, so it is a rule and not one feature among others.
    """
    asked = numbers(evidence.question)
    if not asked:
        return False
    held = (numbers(h.passage.indexed_text) for h in evidence.hits[:3])
    return bool(asked - set().union(*held))
