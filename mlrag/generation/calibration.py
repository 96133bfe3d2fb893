"""When to abstain: thresholds learned by `python -m eval.calibrate` on our calibration questions only.

`calibration.json` holds, for one embedder: weights shared by all languages, each language's own feature means,
spreads and threshold, and a probe on the question's vector for "the answer holds a digit".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mlrag.records import Vectors

PATH = Path(__file__).with_name("calibration.json")


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -30, 30))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns features and question vectors into probabilities. `languages[code]` holds mean, std, threshold."""

    embedder: str
    weights: Vectors
    bias: float
    languages: dict[str, dict[str, Any]]
    probe: Vectors
    probe_bias: float
    cross_threshold: float

    def covers(self, lang: str) -> bool:
        return lang in self.languages

    def confidence(self, features: Vectors, lang: str) -> float:
        """In [0, 1]; at least 0.5 means answer. A language without calibration is never refused: 1.0."""
        own = self.languages.get(lang)
        if own is None:
            return 1.0
        z = (features - np.asarray(own["mean"])) / np.asarray(own["std"])
        return sigmoid(float(z @ self.weights) + self.bias - own["threshold"])

    def wants_number(self, query_vector: Vectors) -> float:
        """The chance in [0, 1] that the answer to this question holds a digit; 0.3 (neutral) without a probe."""
        if len(self.probe) != len(query_vector):
            return 0.3
        return sigmoid(float(query_vector @ self.probe) + self.probe_bias)


def read_calibration(path: Path) -> Calibration:
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Calibration(
        embedder=raw["embedder"],
        weights=np.array(raw["weights"], np.float32),
        bias=raw["bias"],
        languages=raw["languages"],
        probe=np.array(raw["probe"], np.float32),
        probe_bias=raw["probe_bias"],
        cross_threshold=raw["cross_threshold"],
    )


@cache
def shipped_calibration(embedder: str) -> Calibration:
    """The calibration for this embedder; one without languages where there is none (answers say so)."""
    if PATH.is_file():
        shipped = read_calibration(PATH)
        if shipped.embedder == embedder:
            return shipped
    empty = np.zeros(0, np.float32)
    return Calibration(embedder, empty, 0.0, {}, empty, 0.0, float("inf"))
