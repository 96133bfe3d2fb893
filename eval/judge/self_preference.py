"""Measure whether a judge prefers the answers of its own model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.statistics import Estimate, bootstrap
from mlrag.models.variants import Variant, member_of, parse_variant
from mlrag.settings import Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GradeSample:
    """One grade in [0, 1] of an answer, by the judge's own model or another.

    Only grades of the same `stratum` are compared: the language, and whether the answer contains a reference.
    """

    cluster: str
    stratum: str
    own: bool
    value: float


def shares_model(judge: str, variant: str, models: Sequence[str], settings: Settings) -> bool:
    """Tell whether the judge's model answered: the same id, or the same family member at another backend.

    Args:
        models: names of the models that answered, as stored in rows.
    """
    grader = parse_variant(judge, settings.variants)
    names = {_name(grader)}
    answered = {_name(parse_variant(variant, settings.variants))}
    for model in models:
        bare = model.removesuffix(" [stand-in]").split(":", 1)[-1]
        member = member_of(bare)
        answered.add(member.name if member else bare)
    return bool(names & answered)


def _name(variant: Variant) -> str:
    return variant.spec.name if variant.spec else variant.model


def measure_self_preference(seen: Sequence[GradeSample]) -> Estimate | None:
    """Return the mean grade of the judge's own answers minus that of others, within strata, weighted by own rows.

    In [-1, 1]; above 0 the judge favours itself. The interval is a cluster bootstrap. None where no stratum has both.
    """
    strata = {s.stratum for s in seen if s.own} & {s.stratum for s in seen if not s.own}
    rows = [s for s in seen if s.stratum in strata]
    if not rows:
        return None
    index = {stratum: number for number, stratum in enumerate(sorted(strata))}
    table = np.zeros((len(rows), len(strata), 4))
    for row, s in zip(table, rows, strict=True):
        row[index[s.stratum], (0, 1) if s.own else (2, 3)] = s.value, 1.0
    flat = table.reshape(len(rows), -1)
    value = float(_gap(flat.sum(0)[None])[0])
    return Estimate(value, bootstrap(flat, _gap, [s.cluster for s in rows]), len(rows))


def _gap(sums: Floats) -> Floats:
    """Compute the gap from sums by stratum: sum and number of own grades, sum and number of others."""
    parts = sums.reshape(len(sums), -1, 4)
    own, n_own, other, n_other = (parts[:, :, column] for column in range(4))
    both = (n_own > 0) & (n_other > 0)
    gaps = own / np.where(both, n_own, 1) - other / np.where(both, n_other, 1)
    weights = np.where(both, n_own, 0)
    return np.asarray((gaps * weights).sum(1) / np.maximum(weights.sum(1), 1), float)
