"""Which variant is better, by language and tier, from values on the same examples. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations

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
class ScoredExample:
    """One example's value, in [0, 1]. `cluster`: what makes rows dependent; shared by an item's languages."""

    id: str
    cluster: str
    value: float


ByLanguage = Mapping[str, Sequence[ScoredExample]]
Pair = tuple[ScoredExample, ScoredExample]


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
    """Compare every pair of variants, in the order given, in every language and tier where they share rows.

    `tier_of` names each language's tier. Holm's family is pairs x languages for the languages, pairs x tiers
    for the tiers. ValueError if a variant has two values for an example.
    """
    of_languages: list[Comparison] = []
    of_tiers: list[Comparison] = []
    for first, second in combinations(variants, 2):
        pairs, counts = {}, {}
        for lang, rows in variants[first].items():
            others = variants[second].get(lang, [])
            paired = _pairs(rows, others)
            if paired:
                pairs[lang], counts[lang] = paired, len(rows) + len(others)
        for lang in pairs:
            of_languages.append(_comparison(first, second, lang, {lang: pairs[lang]}, counts[lang], gap, tier=False))
        for tier, langs in _group(pairs, tier_of).items():
            members = {lang: pairs[lang] for lang in langs}
            rows_in_tier = sum(counts[lang] for lang in langs)
            of_tiers.append(_comparison(first, second, tier, members, rows_in_tier, gap, tier=True))
    return [*_adjust(of_languages), *_adjust(of_tiers)]


def rank_variants(variants: Mapping[str, ByLanguage], tier_of: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Rank the variants by language and by tier, on the rows that all of them have.

    Two share a rank while their paired interval contains 0 (`rank_groups`). Groups without such rows are left out.
    """
    shared: dict[str, set[str]] = {}
    for lang in next(iter(variants.values()), {}):
        if all(lang in by_language for by_language in variants.values()):
            ids = [{s.id for s in by_language[lang]} for by_language in variants.values()]
            shared[lang] = set.intersection(*ids)
    langs = [lang for lang, ids in shared.items() if ids]
    groups = {lang: [lang] for lang in langs} | _group(langs, tier_of)
    ranks = {}
    for group, members in groups.items():
        ranks[group] = _ranks({name: _select(rows, members, shared) for name, rows in variants.items()})
    return ranks


def _select(rows: ByLanguage, langs: Iterable[str], ids: Mapping[str, set[str]]) -> dict[str, list[ScoredExample]]:
    return {lang: [s for s in rows[lang] if s.id in ids[lang]] for lang in langs}


def _ranks(variants: Mapping[str, ByLanguage]) -> dict[str, int]:
    means = {}
    for name, by_language in variants.items():
        language_means = [np.mean([s.value for s in rows]) for rows in by_language.values()]
        means[name] = float(np.mean(language_means))

    def interval(first: str, second: str) -> Interval:
        pairs = {lang: _pairs(rows, variants[second][lang]) for lang, rows in variants[first].items()}
        return macro_difference({lang: _differences(paired) for lang, paired in pairs.items()}).interval

    return rank_groups(means, interval)


def _pairs(first: Sequence[ScoredExample], second: Sequence[ScoredExample]) -> list[Pair]:
    """Pair the rows that both have, in the first's order."""
    a, b = ({s.id: s for s in rows} for rows in (first, second))
    if len(a) < len(first) or len(b) < len(second):
        raise ValueError("an example has two values; give one value an example and variant")
    return [(s, b[s.id]) for s in a.values() if s.id in b]


def _differences(pairs: Sequence[Pair]) -> list[tuple[str, float]]:
    return [(a.cluster or a.id, a.value - b.value) for a, b in pairs]


def _group(langs: Iterable[str], tier_of: Mapping[str, str]) -> dict[str, list[str]]:
    tiers: dict[str, list[str]] = {}
    for lang in langs:
        tiers.setdefault(tier_of[lang], []).append(lang)
    return dict(sorted(tiers.items()))


def _comparison(
    first: str, second: str, group: str, pairs: Mapping[str, Sequence[Pair]], rows: int, gap: float, *, tier: bool
) -> Comparison:
    """Compare two variants in one group; `rows` of both in all, so that the unpaired ones are counted."""
    differences = {lang: _differences(paired) for lang, paired in pairs.items()}
    flat = [row for by_cluster in differences.values() for row in by_cluster]
    clusters, values = [cluster for cluster, _ in flat], [value for _, value in flat]
    difference = macro_difference(differences) if tier else paired_difference(values, clusters)
    wins, losses = sum(v > 0 for v in values), sum(v < 0 for v in values)
    # McNemar's test is exact for independent yes/no rows alone.
    independent = not tier and len(set(clusters)) == len(flat)
    scores = {s.value for paired in pairs.values() for s in chain.from_iterable(paired)} if independent else set()
    exact = mcnemar_exact(wins, losses) if independent and scores <= {0, 1} else None
    p = difference.p if exact is None else exact
    discordant = float(np.mean([v**2 for v in values]))
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
        needed=needed_n(gap, max(gap, discordant)),
        unpaired=rows - 2 * len(flat),
        discordant=discordant,
    )


def _adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    adjusted = holm([c.p for c in comparisons])
    return [replace(c, adjusted=p) for c, p in zip(comparisons, adjusted, strict=True)]
