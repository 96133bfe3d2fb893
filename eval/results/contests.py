"""Variants, or runs, against each other on the rows they share, figure by figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eval.datasets.own import Example
from eval.results.compare import Comparison, Scored, compare, ranks
from eval.statistics import Interval, needed_n
from mlrag.languages import language
from mlrag.models.variants import CustomVariant

COMPARED = (  # figure, title, is more better?
    ("contains", "accuracy (contains)", True),
    ("hallucination:near_miss", "halluc. near miss", False),
    ("hallucination:article_removed", "halluc. article removed", False),
    ("error", "error rate", False),
)
GAIN_HEAD = ("figure", "own", "base", "tier or language", "own minus base", "n", "p", "Holm p")
GAPS = (0.05, 0.1)  # whose needed n is printed
HEAD = (
    "figure",
    "first",
    "second",
    "tier or language",
    "first minus second",
    "n",
    "first only / second only",
    "p",
    "Holm p",
    "n for 5 points",
    "n for 10 points",
)
Values = Sequence[Mapping[str, float] | None]
ByLanguage = Mapping[str, tuple[Sequence[Example], Values]]


@dataclass(frozen=True, slots=True)
class Contest:
    """One figure's comparisons, and the rank groups by tier and language: 1 is the best."""

    figure: str
    title: str
    comparisons: tuple[Comparison, ...]
    ranks: Mapping[str, Mapping[str, int]]


def contests(variants: Mapping[str, ByLanguage]) -> list[Contest]:
    """Every compared figure that two variants have rows of; none for fewer than two variants.

    Holm's family is that of `compare`: pairs of variants x languages, apart from it pairs x tiers, a figure at a time.
    """
    if len(variants) < 2:
        return []
    found = []
    for figure, title, more in COMPARED:
        scored = {name: _scored(by_language, figure) for name, by_language in variants.items()}
        tiers = {lang: f"T{language(lang).tier}" for rows in scored.values() for lang in rows}
        comparisons = tuple(compare(scored, tiers))
        if comparisons:
            worth = scored if more else {name: _turned(rows) for name, rows in scored.items()}
            found.append(Contest(figure, title, comparisons, ranks(worth, tiers)))
    return found


def _scored(by_language: ByLanguage, figure: str) -> dict[str, list[Scored]]:
    return {
        lang: [
            Scored(e.id, e.cluster or e.id, row[figure])
            for e, row in zip(examples, values, strict=True)
            if row is not None and figure in row
        ]
        for lang, (examples, values) in by_language.items()
    }


def _turned(rows: Mapping[str, Sequence[Scored]]) -> dict[str, list[Scored]]:
    """A figure of which less is better, as one of which more is."""
    return {lang: [Scored(s.id, s.cluster, 1 - s.value) for s in found] for lang, found in rows.items()}


def needed(comparison: Comparison, gap: float) -> int:
    """Independent paired rows that show a gap with 80 % power, if rows differ as often as they did here."""
    return needed_n(gap, max(gap, comparison.discordant))


def contest_rows(found: Sequence[Contest]) -> Iterator[list[str]]:
    """The comparisons as text: points (of 100) with their interval, p as it is and after Holm, needed n."""
    for contest in found:
        for c in contest.comparisons:
            n = c.difference.n
            p = f"{c.p:.3f}{' (McNemar)' if c.mcnemar is not None else ''}"
            wins = f"{c.first_only} / {c.second_only}"
            difference = f"{100 * c.difference.value:+.1f} {_between(c.difference.interval)}"
            sizes = [str(needed(c, gap)) for gap in GAPS]
            yield [contest.title, c.first, c.second, c.group, difference, str(n), wins, p, f"{c.adjusted:.3f}", *sizes]


def with_base(shown: Mapping[str, str], own: Mapping[str, CustomVariant]) -> list[tuple[str, str]]:
    """(the user's own, its base) for each of the user's own variants whose base was asked too, thinking alike.

    `shown`: the names in a report, and the variant that each is.
    """

    def base(variant: str) -> str:
        name = variant.removesuffix("+think")
        return own[name].base + variant.removeprefix(name) if name in own else ""

    return [(a, b) for a, first in shown.items() for b, second in shown.items() if base(first) == second]


def gain_rows(found: Sequence[Contest], pairs: Iterable[tuple[str, str]]) -> Iterator[list[str]]:
    """What each of the user's own variants has more than its base: the comparison of the two, the base second."""
    for contest in found:
        for own, base in pairs:
            for c in contest.comparisons:
                if {c.first, c.second} == {own, base}:
                    yield [contest.title, own, base, c.group, *_gain(c, turned=c.first == base)]


def _gain(c: Comparison, turned: bool) -> list[str]:
    low, high = c.difference.interval.low, c.difference.interval.high
    value, interval = c.difference.value, c.difference.interval
    if turned:
        value, interval = -value, Interval(-high, -low)
    return [f"{100 * value:+.1f} {_between(interval)}", str(c.difference.n), f"{c.p:.3f}", f"{c.adjusted:.3f}"]


def rank_rows(found: Sequence[Contest]) -> Iterator[list[str]]:
    """Figure, group, and the variants in order of their rank; those that share one are not told apart."""
    for contest in found:
        for group, places in contest.ranks.items():
            shared: dict[int, list[str]] = {}
            for name, rank in places.items():
                shared.setdefault(rank, []).append(name)
            order = "; ".join(f"{rank}. {', '.join(names)}" for rank, names in sorted(shared.items()))
            yield [contest.title, group, order]


def _between(interval: Interval) -> str:
    """ "[-3.1, +8.0]"; one cluster tells nothing of the spread."""
    if not abs(interval.low) < float("inf"):
        return "[–]"
    return f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
