"""Totals of the matrix, with cost taken off, and how much hangs on the weights; formulas in eval/advice/matrix.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.advice.costing import Costs

DRAWS, SPREAD = 2000, 0.5  # of weights for the stability, and the deviation of their logarithm
LEAST_KNOWN = 0.5
_SEED = 0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Total:
    """One candidate's totals over one kind; None where too little is known. `known`: of what share of the weights.

    `first`: in what share of 2,000 draws of the weights its efficiency-adjusted score is the highest; `ranks`: the 5th
    and 95th of a hundred of its ranks there.
    """

    name: str
    total: float | None
    efficient: float | None
    known: float
    first: float
    ranks: tuple[int, int] | None


def totals(names: Sequence[str], score: Floats, weight: Floats, priced: Costs, gamma: float) -> tuple[Total, ...]:
    """`score` is (dimensions, candidates) in [0, 1], nan where it is not known."""
    share = (weight @ ~np.isnan(score)) / max(float(weight.sum()), 1e-12)
    there = [i for i in range(len(names)) if share[i] >= LEAST_KNOWN]
    common = ~np.isnan(score[:, there]).any(1)
    blank = {n: Total(n, None, None, float(share[i]), 0.0, None) for i, n in enumerate(names)}
    if not there or not weight[common].sum():
        return tuple(blank.values())
    return tuple((blank | _ranked(names, there, score[common], weight[common], priced, gamma, share)).values())


def _ranked(
    names: Sequence[str],
    there: Sequence[int],
    score: Floats,
    weight: Floats,
    priced: Costs,
    gamma: float,
    share: Floats,
) -> dict[str, Total]:
    """Those that have a total, with how often they are first when every weight is drawn anew around its value."""
    found = score[:, there]
    discount = _discounts([names[i] for i in there], priced, gamma)
    drawn = weight * np.exp(SPREAD * np.random.default_rng(_SEED).standard_normal((DRAWS, len(weight))))
    adjusted = (drawn @ found) / drawn.sum(1, keepdims=True) * discount
    ranks = (-adjusted).argsort(1, kind="stable").argsort(1) + 1
    total = weight @ found / weight.sum()
    made = {}
    for place, i in enumerate(there):
        ends = np.quantile(ranks[:, place], [0.05, 0.95], method="nearest")
        first = float(np.mean(ranks[:, place] == 1))
        low, high = int(ends[0]), int(ends[1])
        effective = float(total[place] * discount[place])
        made[names[i]] = Total(names[i], float(total[place]), effective, float(share[i]), first, (low, high))
    return made


def _discounts(names: Sequence[str], priced: Costs, gamma: float) -> Floats:
    """(c_min / c)^γ; a cost that is not known counts as the dearest."""
    values = np.array([math.nan if (v := priced.values.get(n)) is None else v for n in names], float)
    if np.isnan(values).all():
        return np.ones(len(values))
    most = float(np.nanmax(values))
    held = np.maximum(np.nan_to_num(values, nan=most), max(most / 100, 1e-9))
    return np.asarray((held.min() / held) ** gamma)
