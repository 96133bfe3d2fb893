"""A rate from few human labels and many of a judge, whatever the judge's faults."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.statistics.interval import Interval
from eval.statistics.moments import Floats, labels
from eval.statistics.rates import wilson
from eval.statistics.student import student_quantile


@dataclass(frozen=True, slots=True)
class Corrected:
    """A judge-corrected rate. `weight` in [0, 1]: how far the judge was believed; 0 is labels only."""

    value: float
    interval: Interval
    weight: float


def ppi(
    truth: Sequence[float],
    judged: Sequence[float],
    judged_only: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    clusters_only: Sequence[Hashable] | None = None,
) -> Corrected:
    """Prediction-powered inference with the weight that narrows it most (PPI++; Angelopoulos et al., arXiv:2311.01453).

    `truth` and `judged` speak of the same n labelled rows, `judged_only` of N others, drawn alike. The value is
    mean(truth) + w (mean(judged_only) - mean(judged)), w = cov(truth, judged) / (var(judged) (1 + n / N)); all in
    [0, 1]. Its interval is Wilson's with t(C - 2) on the effective n. Truth that is all alike is taken by
    itself: Wilson on its clusters. ValueError without labelled or without judged rows, or with one list of clusters.
    """
    y, seen, rest = (np.asarray(v, float) for v in (truth, judged, judged_only))
    if not len(y) or not len(rest) or len(y) != len(seen):
        raise ValueError(
            f"PPI needs a verdict for each of {len(y)} labels, got {len(seen)}, and others, got {len(rest)}"
        )
    if (clusters is None) != (clusters_only is None):
        raise ValueError("PPI needs the clusters of the labelled and of the judged rows, or neither")
    where = labels([*clusters, *clusters_only] if clusters and clusters_only else range(len(y) + len(rest)))
    labelled = len(np.unique(where[: len(y)]))
    if labelled <= 2 or np.ptp(y) == 0:
        return _labels_only(y, where)
    weight = _weight(y, seen, rest)
    value = float(np.clip(y.mean() + weight * (rest.mean() - seen.mean()), 0, 1))
    corrections = _influence(y - weight * seen) * math.sqrt(labelled / (labelled - 2))
    sums = np.bincount(where, np.concatenate([corrections, weight * _influence(rest)]))
    inside = min(max(value, 1 / (4 * len(y))), 1 - 1 / (4 * len(y)))
    effective = inside * (1 - inside) / max(float(sums @ sums), inside * (1 - inside) / len(where))
    return Corrected(value, wilson(value, max(1.0, effective), student_quantile(labelled - 2)), weight)


def _labels_only(y: Floats, where: NDArray[np.intp]) -> Corrected:
    share = np.bincount(where[: len(y)]) / len(y)
    return Corrected(float(y.mean()), wilson(float(y.mean()), 1 / float(share @ share)), 0.0)


def _weight(y: Floats, seen: Floats, rest: Floats) -> float:
    spread = float(np.concatenate([seen, rest]).var(ddof=1))
    if spread == 0:
        return 0.0
    return float(np.clip(np.cov(y, seen)[0, 1] / spread / (1 + len(y) / len(rest)), 0, 1))


def _influence(values: Floats) -> Floats:
    """What each row moves its mean by."""
    return np.asarray((values - values.mean()) / len(values), float)
