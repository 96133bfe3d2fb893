"""Score how well sentences fit a question: the ranking behind extractive answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlrag.text.tokens import numbers, tokens
from mlrag.types import Evidence, Sentence

COVERAGE_WEIGHT = 2.0
FUSED_WEIGHT = 0.5
NUMBER_WEIGHT = 1.5
NUMBER_PRIOR = 0.3


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
