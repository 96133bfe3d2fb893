"""Fusion: the top 100 of both legs are pooled; the dense score is exact for all of the pool, a passage the lexical leg
did not return scores 0 there; fused = 2 × z(dense) + z(lexical), z over the pool. A question in another script than the
index's is searched by the dense leg alone: what its words match there are names and numbers. Of many passages the
lexical leg leaves the commonest tokens out, unless there are no others: they tell little, and are most of the reading.
"""

from __future__ import annotations

import numpy as np

from mlrag.types import Vectors

POOL = 100
DENSE_WEIGHT = 2.0
LARGE = 1000  # passages from which on the commonest tokens are not looked for
TELLING = 1.6  # their idf is below this: they stand in more than a fifth of all passages
EQUAL = 1e-9  # a standard deviation up to this is that of equal scores


def z_scores(values: Vectors) -> Vectors:
    """(x - mean) / std over the pool; zeros where all are equal."""
    if not (count := len(values)):
        return values
    apart = values - np.add.reduce(values) / count  # `mean` and `std` give the same, and take five times as long
    deviation = float(np.sqrt(np.add.reduce(apart * apart) / count))
    return apart / deviation if deviation > EQUAL else np.zeros_like(values)


def fuse(dense: Vectors, lexical: Vectors, readable: bool = True) -> Vectors:
    """Fused scores of a pool; by the dense leg alone where the lexical one cannot read the question."""
    return DENSE_WEIGHT * z_scores(dense) + readable * z_scores(lexical)
