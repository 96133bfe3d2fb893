"""How far two raters agree beyond chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from eval.statistics import Estimate, Interval, clustered_rate


def kappa(first: Sequence[str], second: Sequence[str], clusters: Sequence[Hashable]) -> Estimate:
    """Cohen's kappa (1960), (agreed - chance) / (1 - chance), in [-1, 1].

    Its interval is that of the agreed share with chance held fixed, as in Cohen's standard error; the share's is
    Wilson's over clusters, so that full agreement on few items is not taken for certain. nan where both give one and
    the same label throughout, or there is nothing.
    """
    n = len(first)
    agreed = [float(a == b) for a, b in zip(first, second, strict=True)]
    a, b = Counter(first), Counter(second)
    chance = sum(a[label] * b[label] for label in a) / n**2 if n else 1.0
    if chance == 1:
        return Estimate(math.nan, Interval(math.nan, math.nan), n)
    share = clustered_rate(agreed, clusters)
    low, value, high = ((v - chance) / (1 - chance) for v in (share.low, sum(agreed) / n, share.high))
    return Estimate(value, Interval(max(-1.0, low), high), n)
