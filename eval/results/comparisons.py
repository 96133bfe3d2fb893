"""Variants, or runs, against each other on the rows they share, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.results.compare import Comparison, ScoredExample, compare, rank_variants
from eval.results.groups import tier_name
from eval.statistics import needed_n
from eval.types import Example
from mlrag.models.variants import CustomVariant

COMPARED = (  # metric, title, is more better?
    ("contains", "accuracy (contains)", True),
    ("hallucination:near_miss", "halluc. near miss", False),
    ("hallucination:article_removed", "halluc. article removed", False),
    ("error", "error rate", False),
)
Values = Sequence[Mapping[str, float] | None]
ByLanguage = Mapping[str, tuple[Sequence[Example], Values]]


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric's comparisons, and the rank groups by tier and language: 1 is the best."""

    metric: str
    title: str
    comparisons: tuple[Comparison, ...]
    ranks: Mapping[str, Mapping[str, int]]


def compare_variants(variants: Mapping[str, ByLanguage]) -> list[MetricComparison]:
    """Compare the variants by every compared metric that two of them have rows of; [] for fewer than two variants.

    Holm's family is that of `compare`: pairs of variants x languages, apart from it pairs x tiers, a metric at a time.
    """
    if len(variants) < 2:
        return []
    compared = []
    for metric, title, more_is_better in COMPARED:
        scored = {name: _collect(by_language, metric) for name, by_language in variants.items()}
        tiers = {lang: tier_name(lang) for by_language in scored.values() for lang in by_language}
        comparisons = tuple(compare(scored, tiers))
        if comparisons:
            ranked = scored if more_is_better else {name: _invert(rows) for name, rows in scored.items()}
            compared.append(MetricComparison(metric, title, comparisons, rank_variants(ranked, tiers)))
    return compared


def _collect(by_language: ByLanguage, metric: str) -> dict[str, list[ScoredExample]]:
    scored = {}
    for lang, (examples, values) in by_language.items():
        pairs = zip(examples, values, strict=True)
        scored[lang] = [ScoredExample(e.id, e.cluster or e.id, v[metric]) for e, v in pairs if v and metric in v]
    return scored


def _invert(rows: Mapping[str, Sequence[ScoredExample]]) -> dict[str, list[ScoredExample]]:
    """Turn a metric of which less is better into one of which more is."""
    return {lang: [ScoredExample(s.id, s.cluster, 1 - s.value) for s in scored] for lang, scored in rows.items()}


def rows_needed(comparison: Comparison, gap: float) -> int:
    """Return the independent paired rows that show a gap with 80 % power, if rows differ as often as they did here."""
    return needed_n(gap, max(gap, comparison.discordant))


def pair_with_base(names: Mapping[str, str], custom: Mapping[str, CustomVariant]) -> list[tuple[str, str]]:
    """Return (the user's own, its base) for each of the user's variants whose base was asked too, thinking alike.

    `names`: the names in a report, and the variant that each is.
    """

    def base(variant: str) -> str:
        name = variant.removesuffix("+think")
        return custom[name].base + variant.removeprefix(name) if name in custom else ""

    return [(a, b) for a, first in names.items() for b, second in names.items() if base(first) == second]
