"""RAGChecker's figures (arXiv 2408.08067, computation.py) from entailment verdicts. Pure: booleans in, shares out.

Whoever splits texts into claims and says what entails what (a judge, a person) is outside; this is the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ClaimVerdicts:
    """What entails what, for one answer.

    `right[i]`: the reference entails the answer's claim i. `found[k]`: the answer entails the reference's claim
    k. `backed[j][i]`: passage j entails the answer's claim i. `held[j][k]`: passage j entails the reference's
    claim k.
    """

    right: Sequence[bool]
    found: Sequence[bool]
    backed: Sequence[Sequence[bool]]
    held: Sequence[Sequence[bool]]


@dataclass(frozen=True, slots=True)
class ClaimMetrics:
    """Shares in [0, 1]; None where there is nothing to divide by (no claim, no passage, nothing retrieved).

    The six of the generator are the last six. precision + noise_relevant + noise_irrelevant + hallucination = 1.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    claim_recall: float | None
    context_precision: float | None
    context_utilization: float | None
    faithfulness: float | None
    hallucination: float | None
    self_knowledge: float | None
    noise_relevant: float | None
    noise_irrelevant: float | None


def compute_claim_metrics(verdicts: ClaimVerdicts) -> ClaimMetrics:
    """All figures of one answer. Raises ValueError for matrices whose sides do not fit."""
    right, found = np.asarray(verdicts.right, bool), np.asarray(verdicts.found, bool)
    backed = _matrix(verdicts.backed, len(right), "backed")
    held = _matrix(verdicts.held, len(found), "held")
    if len(backed) != len(held):
        raise ValueError(f"backed speaks of {len(backed)} passages, held of {len(held)}")
    relevant = held.any(1)  # a passage is relevant when it entails some claim of the reference
    any_backed, gold_held = backed.any(0), held.any(0)
    by_relevant = backed[relevant].any(0)
    precision, recall = _share(right), _share(found)
    return ClaimMetrics(
        precision=precision,
        recall=recall,
        f1=_f1(precision, recall),
        claim_recall=_share(gold_held),
        context_precision=_share(relevant),
        context_utilization=_share(found[gold_held]),
        faithfulness=_share(any_backed),
        hallucination=_share(~any_backed & ~right),
        self_knowledge=_share(~any_backed & right),
        noise_relevant=_share(by_relevant & ~right),
        noise_irrelevant=_share(any_backed & ~by_relevant & ~right),
    )


def _matrix(rows: Sequence[Sequence[bool]], width: int, name: str) -> Booleans:
    if any(len(row) != width for row in rows):
        raise ValueError(f"each row of {name} needs {width} verdicts, not {[len(row) for row in rows]}")
    return np.array(rows, bool).reshape(len(rows), width)


def _share(values: Booleans | np.bool_) -> float | None:
    return float(values.mean()) if values.size else None


def _f1(precision: float | None, recall: float | None) -> float | None:
    if precision is None or recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
