"""Totals of the matrix, with cost taken off, and how much hangs on the weights; formulas in eval/advice/matrix.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.advice.constraints import Candidate, Feasibility
from eval.advice.evidence import CandidateResults
from eval.advice.need import CostBasis, Requirements, presets

DRAWS, SPREAD = 2000, 0.5  # of weights for the stability, and the deviation of their logarithm
LEAST_KNOWN = 0.5
_SEED = 0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Total:
    """One candidate's totals over one kind; None where too little is known.

    Args:
        known: proportion of the weights whose dimension is known.
        first: proportion of 2,000 draws of the weights in which its adjusted score is the highest.
        ranks: the 5th and 95th percentile of its ranks in those draws.
    """

    name: str
    total: float | None
    efficient: float | None
    known: float
    first: float
    ranks: tuple[int, int] | None


def compute_totals(
    names: Sequence[str], score: Floats, weight: Floats, priced: Costs, gamma: float
) -> tuple[Total, ...]:
    """Compute the totals from `score`, (dimensions, candidates) in [0, 1], nan where unknown."""
    share = (weight @ ~np.isnan(score)) / max(float(weight.sum()), 1e-12)
    ranked = [i for i in range(len(names)) if share[i] >= LEAST_KNOWN]
    common = ~np.isnan(score[:, ranked]).any(1)
    blank = {n: Total(n, None, None, float(share[i]), 0.0, None) for i, n in enumerate(names)}
    if not ranked or not weight[common].sum():
        return tuple(blank.values())
    return tuple((blank | _rank(names, ranked, score[common], weight[common], priced, gamma, share)).values())


def _rank(
    names: Sequence[str],
    ranked: Sequence[int],
    score: Floats,
    weight: Floats,
    priced: Costs,
    gamma: float,
    share: Floats,
) -> dict[str, Total]:
    """Compute the totals, and how often each is first when every weight is drawn at random around its value."""
    known = score[:, ranked]
    discount = _discounts([names[i] for i in ranked], priced, gamma)
    drawn = weight * np.exp(SPREAD * np.random.default_rng(_SEED).standard_normal((DRAWS, len(weight))))
    adjusted = (drawn @ known) / drawn.sum(1, keepdims=True) * discount
    ranks = (-adjusted).argsort(1, kind="stable").argsort(1) + 1
    total = weight @ known / weight.sum()
    totals = {}
    for column, i in enumerate(ranked):
        ends = np.quantile(ranks[:, column], [0.05, 0.95], method="nearest")
        first = float(np.mean(ranks[:, column] == 1))
        low, high = int(ends[0]), int(ends[1])
        effective = float(total[column] * discount[column])
        totals[names[i]] = Total(names[i], float(total[column]), effective, float(share[i]), first, (low, high))
    return totals


def _discounts(names: Sequence[str], priced: Costs, gamma: float) -> Floats:
    """Return (c_min / c)^γ; an unknown cost counts as the highest."""
    values = np.array([math.nan if (v := priced.values.get(n)) is None else v for n in names], float)
    if np.isnan(values).all():
        return np.ones(len(values))
    most = float(np.nanmax(values))
    held = np.maximum(np.nan_to_num(values, nan=most), max(most / 100, 1e-9))
    return np.asarray((held.min() / held) ** gamma)


UNITS: Mapping[CostBasis, str] = {"seconds": "s a question", "memory": "GB", "money": "$ for 1,000 questions"}


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs by name of the candidate; None where unknown. `ranks`: 0 is the cheapest."""

    basis: CostBasis
    values: Mapping[str, float | None]
    ranks: Mapping[str, int]


def price(one: Candidate, measured: CandidateResults | None) -> float | None:
    """Return dollars for 1,000 questions at the upper end of the recorded price; 0 where it runs here."""
    if one.location == "here":
        return 0.0
    price = presets()["offer"][one.location].get("dollars")
    if price is None or measured is None or measured.tokens is None:
        return None
    return sum(t * float(p) for t, p in zip(measured.tokens, price, strict=True)) / 1000


def rank_costs(
    fits: Sequence[Feasibility],
    measured: Mapping[str, CandidateResults],
    need: Requirements,
    basis: CostBasis | None = None,
) -> Costs:
    """Rank by the basis asked for, else seconds where all have them, else memory; ties by size, thinking, name."""
    names = [f.candidate.name for f in fits]
    timed = bool(names) and all(n in measured and measured[n].seconds is not None for n in names)
    chosen: CostBasis = basis or need.cost or ("seconds" if timed else "memory")
    values = {f.candidate.name: _value(f, measured.get(f.candidate.name), chosen) for f in fits}
    order = sorted(fits, key=lambda f: _key(f, values[f.candidate.name]))
    return Costs(chosen, values, {f.candidate.name: rank for rank, f in enumerate(order)})


def _value(found: Feasibility, measured: CandidateResults | None, basis: CostBasis) -> float | None:
    if basis == "money":
        return price(found.candidate, measured)
    if basis == "seconds":
        return measured.seconds if measured else None
    return found.memory if found.candidate.location == "here" else 0.0


def _key(found: Feasibility, value: float | None) -> tuple[float, float, bool, str]:
    one = found.candidate
    size = (one.spec.parameters.active or one.spec.parameters.published) if one.spec else 0.0
    return (math.inf if value is None else value), found.memory or size, one.think, one.name
