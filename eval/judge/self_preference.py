"""Does a judge prefer its own answers?"""

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
    """One verdict: on an answer of the judge's own model or of another, in [0, 1]; `stratum` holds what has to be equal
    for the two to be compared: the language, and whether a reference stands in the answer."""

    cluster: str
    stratum: str
    own: bool
    value: float


def shares_model(judge: str, variant: str, models: Sequence[str], settings: Settings) -> bool:
    """Is it the judge's model that answered? The same id, or the same member of the family at another backend.

    `models`: the names of who answered, as rows keep them.
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
    """Mean verdict on the judge's own answers less that on others', inside strata, weighed by the own rows of each.

    In [-1, 1]; above 0 the judge is kinder to itself. The interval is a bootstrap over clusters. None where no stratum
    holds both.
    """
    strata = {s.stratum for s in seen if s.own} & {s.stratum for s in seen if not s.own}
    rows = [s for s in seen if s.stratum in strata]
    if not rows:
        return None
    places = {stratum: place for place, stratum in enumerate(sorted(strata))}
    table = np.zeros((len(rows), len(strata), 4))
    for row, s in zip(table, rows, strict=True):
        row[places[s.stratum], (0, 1) if s.own else (2, 3)] = s.value, 1.0
    flat = table.reshape(len(rows), -1)
    value = float(_gap(flat.sum(0)[None])[0])
    return Estimate(value, bootstrap(flat, _gap, [s.cluster for s in rows]), len(rows))


def _gap(sums: Floats) -> Floats:
    """Columns by stratum: sum and number of the own, sum and number of the others."""
    parts = sums.reshape(len(sums), -1, 4)
    own, n_own, other, n_other = (parts[:, :, column] for column in range(4))
    both = (n_own > 0) & (n_other > 0)
    gaps = own / np.where(both, n_own, 1) - other / np.where(both, n_other, 1)
    weights = np.where(both, n_own, 0)
    return np.asarray((gaps * weights).sum(1) / np.maximum(weights.sum(1), 1), float)
