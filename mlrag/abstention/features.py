"""Features that tell answerable questions from others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlrag.text.tokens import numbers
from mlrag.types import Evidence, Vectors

FEATURES = ("passage_cosine", "sentence_cosine", "passage_distance")
# Below the median, so that an index which does answer a third of the off-topic questions hardly shifts the baseline.
BASELINE_QUANTILE = 0.35


def answerability(evidence: Evidence) -> Vectors:
    """The features that tell answerable from not, in the order of FEATURES.

    The best passage's and the best sentence's cosine, and how far the best passage stands above the question's
    cosines to all passages, in their standard deviations. Scales differ by language and index: see `measure_baseline`.
    """
    best = max(h.dense for h in evidence.hits)
    sentence = max((s.cosine for s in evidence.sentences), default=0.0)
    return np.array([best, sentence, (best - evidence.cosine_mean) / (evidence.cosine_std or 1.0)], np.float32)


def measure_baseline(found: Sequence[Evidence]) -> Vectors:
    """What off-topic questions get from one index: the features' 35th percentiles over these questions' evidence."""
    features = np.array([answerability(e) for e in found])
    return np.asarray(np.quantile(features, BASELINE_QUANTILE, axis=0), np.float32)


def distance(evidence: Evidence) -> float:
    """How much further its best passage stands out than an off-topic question's would in the same index."""
    null = 0.0 if evidence.off_topic_baseline is None else float(evidence.off_topic_baseline[-1])
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
