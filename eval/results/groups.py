"""Languages by tier: the one grouping of every table."""

from __future__ import annotations

from collections.abc import Iterable

from mlrag.languages import language


def tier_name(lang: str) -> str:
    """ "si" -> "T4"."""
    return f"T{language(lang).tier}"


def by_tier(langs: Iterable[str]) -> dict[str, list[str]]:
    """Group languages by the name of their tier, first tier first; languages keep their order."""
    tiers: dict[str, list[str]] = {}
    for lang in langs:
        tiers.setdefault(tier_name(lang), []).append(lang)
    return dict(sorted(tiers.items()))
