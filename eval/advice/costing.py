"""What a candidate costs, on the basis asked for, and the order from the cheapest up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.advice.constraints import Candidate, Fit
from eval.advice.evidence import Measured
from eval.advice.need import CostBasis, Need, presets

UNITS: Mapping[CostBasis, str] = {"seconds": "s a question", "memory": "GB", "money": "$ for 1,000 questions"}


@dataclass(frozen=True, slots=True)
class Costs:
    """By candidate's name; None where it is not known. `ranks`: 0 is the cheapest."""

    basis: CostBasis
    values: Mapping[str, float | None]
    ranks: Mapping[str, int]


def dollars(one: Candidate, measured: Measured | None) -> float | None:
    """Of 1,000 questions at the upper end of the recorded price and the tokens counted; 0 where it runs here."""
    if one.place == "here":
        return 0.0
    price = presets()["offer"][one.place].get("dollars")
    if price is None or measured is None or measured.tokens is None:
        return None
    return sum(t * float(p) for t, p in zip(measured.tokens, price, strict=True)) / 1000


def costs(fits: Sequence[Fit], measured: Mapping[str, Measured], need: Need, basis: CostBasis | None = None) -> Costs:
    """On the basis asked for, else seconds where all have them, else memory. Ties: size, then thinking, then name."""
    names = [f.candidate.name for f in fits]
    timed = bool(names) and all(n in measured and measured[n].seconds is not None for n in names)
    chosen: CostBasis = basis or need.cost or ("seconds" if timed else "memory")
    values = {f.candidate.name: _value(f, measured.get(f.candidate.name), chosen) for f in fits}
    order = sorted(fits, key=lambda f: _key(f, values[f.candidate.name]))
    return Costs(chosen, values, {f.candidate.name: place for place, f in enumerate(order)})


def _value(found: Fit, measured: Measured | None, basis: CostBasis) -> float | None:
    if basis == "money":
        return dollars(found.candidate, measured)
    if basis == "seconds":
        return measured.seconds if measured else None
    return found.memory if found.candidate.place == "here" else 0.0


def _key(found: Fit, value: float | None) -> tuple[float, float, bool, str]:
    one = found.candidate
    size = (one.spec.parameters.active or one.spec.parameters.published) if one.spec else 0.0
    return (math.inf if value is None else value), found.memory or size, one.think, one.name
