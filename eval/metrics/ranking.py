"""How high the gold documents stand in a ranking. All in [0, 1]; a ranking holds each id once."""

from __future__ import annotations

import math
from collections.abc import Sequence

DEPTH = 10


def reciprocal_rank(ranking: Sequence[str], gold: Sequence[str], depth: int = DEPTH) -> float:
    """1 / rank of the first gold id among the first `depth`, 0 if none."""
    return next((1 / rank for rank, found in enumerate(ranking[:depth], 1) if found in gold), 0.0)


def recall(ranking: Sequence[str], gold: Sequence[str], k: int) -> float:
    """Share of the gold ids among the first k."""
    return len(set(ranking[:k]) & set(gold)) / len(set(gold))


def ndcg(ranking: Sequence[str], gold: Sequence[str], depth: int = DEPTH) -> float:
    """Sum of 1 / log2(rank + 1) over gold ids, divided by that of the best ranking (Järvelin & Kekäläinen 2002)."""
    wanted = set(gold)
    gained = sum(1 / math.log2(rank + 1) for rank, found in enumerate(ranking[:depth], 1) if found in wanted)
    return gained / sum(1 / math.log2(rank + 1) for rank in range(1, min(len(wanted), depth) + 1))
