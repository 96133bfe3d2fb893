"""Which variant is better, by language and tier, from values on the same examples. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from eval.statistics import (
    Difference,
    Interval,
    holm,
    macro_difference,
    mcnemar_exact,
    needed_n,
    paired_difference,
    rank_groups,
)


@dataclass(frozen=True, slots=True)
class Scored:
    """One example's value, in [0, 1]. `cluster`: what makes rows dependent; shared by an item's languages."""

    id: str
    cluster: str
    value: float


ByLanguage = Mapping[str, Sequence[Scored]]
Pair = tuple[Scored, Scored]


@dataclass(frozen=True, slots=True)
class Comparison:
    """First variant against second in one group (a language, or a tier's macro mean).

    `first_only` and `second_only`: rows where only that one got more. `mcnemar`: exact p for independent yes/no rows,
    None for others and for tiers. `p`: that where there is one, else the cluster-robust p. `adjusted`: Holm's
    over all pairs of variants and all languages, or all tiers. `needed`: independent paired rows that would show a
    gap of `gap` with 80 % power, where rows differ as here: `discordant`, the mean squared difference. `unpaired`: rows
    that one of the two lacks; they count nowhere.
    """

    first: str
    second: str
    group: str
    difference: Difference
    first_only: int
    second_only: int
    mcnemar: float | None
    p: float
    adjusted: float
    gap: float
    needed: int
    unpaired: int
    discordant: float


def compare(variants: Mapping[str, ByLanguage], tier_of: Mapping[str, str], gap: float = 0.1) -> list[Comparison]:
    """Every pair of variants, in the order given, in every language and tier where they have rows in common.

    `tier_of` names each language's tier. Holm's family is pairs x languages for the languages, pairs x tiers
    for the tiers. ValueError if a variant has two values for an example.
    """
    found: dict[bool, list[Comparison]] = {False: [], True: []}
    for first, second in combinations(variants, 2):
        pairs = {lang: _pairs(rows, variants[second].get(lang, [])) for lang, rows in variants[first].items()}
        there = {lang: both for lang, both in pairs.items() if both}
        lost = {lang: len(variants[first][lang]) + len(variants[second].get(lang, [])) for lang in there}
        for lang, both in there.items():
            found[False].append(_comparison(first, second, lang, {lang: both}, lost[lang], gap, tier=False))
        for tier, langs in _by_tier(there, tier_of).items():
            rows = sum(lost[lang] for lang in langs)
            chosen = {lang: there[lang] for lang in langs}
            found[True].append(_comparison(first, second, tier, chosen, rows, gap, tier=True))
    return [*_adjust(found[False]), *_adjust(found[True])]


def ranks(variants: Mapping[str, ByLanguage], tier_of: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Rank groups of the variants, by language and by tier, on the rows that all of them have.

    Two share a rank while their paired interval contains 0 (`rank_groups`). Groups without such rows are left out.
    """
    langs = [lang for lang in next(iter(variants.values()), {}) if all(lang in v for v in variants.values())]
    common = {lang: _common([v[lang] for v in variants.values()]) for lang in langs}
    there = {lang: ids for lang, ids in common.items() if ids}
    groups = {lang: [lang] for lang in there} | _by_tier(there, tier_of)
    return {
        group: _ranks({name: _only(rows, chosen, there) for name, rows in variants.items()})
        for group, chosen in groups.items()
    }


def _only(rows: ByLanguage, langs: Iterable[str], ids: Mapping[str, set[str]]) -> dict[str, list[Scored]]:
    return {lang: [s for s in rows[lang] if s.id in ids[lang]] for lang in langs}


def _common(rows: Sequence[Sequence[Scored]]) -> set[str]:
    return set.intersection(*({s.id for s in found} for found in rows))


def _ranks(variants: Mapping[str, ByLanguage]) -> dict[str, int]:
    means = {
        name: float(np.mean([np.mean([s.value for s in rows]) for rows in found.values()]))
        for name, found in variants.items()
    }

    def interval(first: str, second: str) -> Interval:
        both = {lang: _pairs(rows, variants[second][lang]) for lang, rows in variants[first].items()}
        return macro_difference({lang: _differences(found) for lang, found in both.items()}).interval

    return rank_groups(means, interval)


def _pairs(first: Sequence[Scored], second: Sequence[Scored]) -> list[Pair]:
    """The rows that both have, in the first's order."""
    a, b = ({s.id: s for s in rows} for rows in (first, second))
    if len(a) < len(first) or len(b) < len(second):
        raise ValueError("an example has two values; give one value an example and variant")
    return [(s, b[s.id]) for s in a.values() if s.id in b]


def _differences(both: Sequence[Pair]) -> list[tuple[str, float]]:
    return [(a.cluster or a.id, a.value - b.value) for a, b in both]


def _by_tier(langs: Iterable[str], tier_of: Mapping[str, str]) -> dict[str, list[str]]:
    tiers: dict[str, list[str]] = {}
    for lang in langs:
        tiers.setdefault(tier_of[lang], []).append(lang)
    return dict(sorted(tiers.items()))


def _comparison(
    first: str, second: str, group: str, pairs: Mapping[str, Sequence[Pair]], rows: int, gap: float, *, tier: bool
) -> Comparison:
    differences = {lang: _differences(both) for lang, both in pairs.items()}
    flat = [row for found in differences.values() for row in found]
    difference = (
        macro_difference(differences) if tier else paired_difference([d for _, d in flat], [c for c, _ in flat])
    )
    wins, losses = sum(d > 0 for _, d in flat), sum(d < 0 for _, d in flat)
    independent = not tier and len({c for c, _ in flat}) == len(flat)
    yes_no = all(s.value in (0, 1) for both in pairs.values() for pair in both for s in pair)
    exact = mcnemar_exact(wins, losses) if independent and yes_no else None
    p = difference.p if exact is None else exact
    varying = float(np.mean([d**2 for _, d in flat]))
    return Comparison(
        first=first,
        second=second,
        group=group,
        difference=difference,
        first_only=wins,
        second_only=losses,
        mcnemar=exact,
        p=p,
        adjusted=p,
        gap=gap,
        needed=needed_n(gap, max(gap, varying)),
        unpaired=rows - 2 * len(flat),
        discordant=varying,
    )


def _adjust(found: Sequence[Comparison]) -> list[Comparison]:
    return [replace(c, adjusted=p) for c, p in zip(found, holm([c.p for c in found]), strict=True)]
