"""Features that distinguish answerable questions from others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlrag.text.tokens import numbers
from mlrag.types import Evidence, Vectors

FEATURES = ("passage_cosine", "sentence_cosine", "passage_distance")
# Below the median, so that an index which does answer a third of the off-topic questions hardly shifts the baseline.
BASELINE_QUANTILE = 0.35


def answerability(evidence: Evidence) -> Vectors:
    """Return the features that distinguish answerable from unanswerable questions, in the order of FEATURES.

    The best passage's and the best sentence's cosine, and how far the best passage stands above the question's
    cosines to all passages, in their standard deviations. Scales differ by language and index: see `measure_baseline`.
    """
    best = max(h.dense for h in evidence.hits)
    sentence = max((s.cosine for s in evidence.sentences), default=0.0)
    return np.array([best, sentence, (best - evidence.cosine_mean) / (evidence.cosine_std or 1.0)], np.float32)


def measure_baseline(evidence: Sequence[Evidence]) -> Vectors:
    """Return the off-topic baseline of one index: the features' 35th percentiles over off-topic questions' evidence."""
    features = np.array([answerability(e) for e in evidence])
    return np.asarray(np.quantile(features, BASELINE_QUANTILE, axis=0), np.float32)


def distance(evidence: Evidence) -> float:
    """Return how much further the best passage stands out than an off-topic question's in the same index."""
    baseline = 0.0 if evidence.off_topic_baseline is None else float(evidence.off_topic_baseline[-1])
    return float(answerability(evidence)[-1]) - baseline


def asks_for_another_number(evidence: Evidence) -> bool:
    """Does the question hold a number (a year, most often) that none of the first passages holds?

    Seen in under 1 % of answerable questions, so it is a rule and not one feature among others.
    """
    in_question = numbers(evidence.question)
    if not in_question:
        return False
    in_passages = (numbers(h.passage.indexed_text) for h in evidence.hits[:3])
    return bool(in_question - set().union(*in_passages))
