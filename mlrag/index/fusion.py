"""Fusion of the dense and the lexical ranker.

The top 100 of both rankers are pooled. The dense score is exact for all of the pool; a passage that the lexical ranker
did not return scores 0 there. Fused = 2 × z(dense) + z(lexical), z over the pool. A question in another script than the
index's is searched by the dense ranker alone: what its words match there are names and numbers. Among many passages the
lexical ranker leaves the commonest tokens out, unless there are no others: they discriminate little, and their postings
are most of what is read.
"""

from __future__ import annotations

import numpy as np

from mlrag.types import Vectors

POOL = 100
DENSE_WEIGHT = 2.0
LARGE = 1000  # passages from which on the commonest tokens are not looked for
TELLING = 1.6  # the commonest tokens' idf is below this: they stand in more than a fifth of all passages
EQUAL = 1e-9  # a standard deviation up to this is that of equal scores


def z_scores(values: Vectors) -> Vectors:
    """Return (x - mean) / std over the pool; zeros where all are equal."""
    if not len(values):
        return values
    deviation = float(values.std())
    return (values - values.mean()) / deviation if deviation > EQUAL else np.zeros_like(values)


def fuse(dense: Vectors, lexical: Vectors, readable: bool = True) -> Vectors:
    """Return the fused scores of a pool; by the dense ranker alone where the lexical one cannot read the question."""
    return DENSE_WEIGHT * z_scores(dense) + readable * z_scores(lexical)
