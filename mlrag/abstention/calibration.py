"""When to abstain: weights learned by `python -m eval.calibration.abstention` on our calibration questions only.

`calibration.json` holds, for one embedder and all languages: weights for how far a question's features stand above
those of off-topic questions in the same index, a bias for each degree of caution, and a probe on the question's
vector for "the answer holds a digit".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from mlrag.abstention.features import answerability, distance
from mlrag.types import Evidence, Vectors

Caution = Literal["balanced", "strict"]
PATH = Path(__file__).with_name("calibration.json")


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -30, 30))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns evidence and question vectors into probabilities."""

    embedder: str
    weights: Vectors
    bias: float
    probe: Vectors
    probe_bias: float
    cross_threshold: float

    def covers(self, evidence: Evidence) -> bool:
        """Is anything known to compare this evidence with?"""
        return evidence.off_topic_baseline is not None and len(self.weights) == len(evidence.off_topic_baseline)

    def confidence(self, evidence: Evidence) -> float:
        """In [0, 1]; at least 0.5 means answer. Evidence that is not covered is never refused: 1.0."""
        if evidence.off_topic_baseline is None or not self.covers(evidence):
            return 1.0
        return sigmoid(float((answerability(evidence) - evidence.off_topic_baseline) @ self.weights) + self.bias)

    def crosses(self, evidence: Evidence) -> bool:
        """May evidence of another language than the question's answer it? Words do not match across languages, so
        its best passage must stand out far more than an off-topic question's."""
        return self.covers(evidence) and distance(evidence) >= self.cross_threshold

    def wants_number(self, query_vector: Vectors) -> float:
        """The chance in [0, 1] that the answer to this question holds a digit; 0.3 (neutral) without a probe."""
        if len(self.probe) != len(query_vector):
            return 0.3
        return sigmoid(float(query_vector @ self.probe) + self.probe_bias)


def read_calibration(path: Path, caution: Caution = "balanced") -> Calibration:
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Calibration(
        embedder=raw["embedder"],
        weights=np.array(raw["weights"], np.float32),
        bias=raw["bias"][caution],
        probe=np.array(raw["probe"], np.float32),
        probe_bias=raw["probe_bias"],
        cross_threshold=raw["cross_threshold"],
    )


@cache
def shipped_calibration(embedder: str, caution: Caution = "balanced") -> Calibration:
    """The calibration for this embedder; one that covers nothing where there is none (answers say so)."""
    if PATH.is_file():
        shipped = read_calibration(PATH, caution)
        if shipped.embedder == embedder:
            return shipped
    empty = np.zeros(0, np.float32)
    return Calibration(embedder, empty, 0.0, empty, 0.0, float("inf"))
