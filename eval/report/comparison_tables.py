"""Comparisons, ranks and gains as rows of text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from eval.report.tables import format_estimate, markdown_table
from eval.results.compare import Comparison
from eval.results.comparisons import MetricComparison, pair_with_base, rows_needed
from eval.statistics import Interval
from mlrag.models.variants import CustomVariant

GAPS = (0.05, 0.1)  # whose needed n is printed
HEAD = (
    "metric",
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
GAIN_HEAD = ("metric", "own", "base", "tier or language", "own minus base", "n", "p", "Holm p")
NOTE = (
    "Points of 100, first minus second on the rows that both have [95 % interval]. p: McNemar's exact where rows are "
    "independent yes/no rows of one language, else cluster-robust. Holm: over all pairs and languages, or all pairs "
    "and tiers, of the metric. n for a gap: independent rows in both that would show it with 80 % power."
)


def comparison_rows(compared: Sequence[MetricComparison]) -> Iterator[list[str]]:
    """Yield the comparisons: points (of 100) with their interval, p as it is and after Holm, needed n."""
    for metric in compared:
        for c in metric.comparisons:
            n = c.difference.n
            p = f"{c.p:.3f}{' (McNemar)' if c.mcnemar is not None else ''}"
            wins = f"{c.first_only} / {c.second_only}"
            difference = format_estimate(c.difference.value, c.difference.interval, signed=True)
            sizes = [str(rows_needed(c, gap)) for gap in GAPS]
            yield [metric.title, c.first, c.second, c.group, difference, str(n), wins, p, f"{c.adjusted:.3f}", *sizes]


def rank_rows(compared: Sequence[MetricComparison]) -> Iterator[list[str]]:
    """Yield metric, group, and the variants in order of their rank; variants of one rank are not told apart."""
    for metric in compared:
        for group, ranks in metric.ranks.items():
            by_rank: dict[int, list[str]] = {}
            for name, rank in ranks.items():
                by_rank.setdefault(rank, []).append(name)
            order = "; ".join(f"{rank}. {', '.join(names)}" for rank, names in sorted(by_rank.items()))
            yield [metric.title, group, order]


def gain_rows(compared: Sequence[MetricComparison], pairs: Iterable[tuple[str, str]]) -> Iterator[list[str]]:
    """Yield what each of the user's own variants has more than its base: the comparison of the two, the base second."""
    for metric in compared:
        for custom, base in pairs:
            for c in metric.comparisons:
                if {c.first, c.second} == {custom, base}:
                    yield [metric.title, custom, base, c.group, *_gain_cells(c, inverted=c.first == base)]


def _gain_cells(c: Comparison, inverted: bool) -> list[str]:
    value, interval = c.difference.value, c.difference.interval
    if inverted:
        value, interval = -value, Interval(-interval.high, -interval.low)
    gain = format_estimate(value, interval, signed=True)
    return [gain, str(c.difference.n), f"{c.p:.3f}", f"{c.adjusted:.3f}"]


def comparison_lines(compared: Sequence[MetricComparison], pairs: bool = True) -> list[str]:
    """Return the comparisons (not without `pairs`) and rank groups as Markdown; [] where there are none."""
    if not compared:
        return []
    lines = ["## Comparison of variants", ""]
    lines += [NOTE, "", *markdown_table(HEAD, comparison_rows(compared)), ""] if pairs else []
    lines += ["Those that share a rank are not told apart; for hallucination and error less is better.", ""]
    return [*lines, *markdown_table(("metric", "tier or language", "ranks"), rank_rows(compared)), ""]


def gain_lines(
    compared: Sequence[MetricComparison], names: Mapping[str, str], custom: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return what a fine-tune gained over its base as Markdown; [] where no custom variant was asked with its base.

    `names`: the names in the report, and the variant that each is; `custom`: the signature's `own_variants`.
    """
    pairs = pair_with_base(names, {name: CustomVariant(**fields) for name, fields in custom.items()})
    rows = list(gain_rows(compared, pairs))
    if not rows:
        return []
    note = "Points of 100 on the rows that both have [95 % interval]; for hallucination and error less is better."
    return ["## Gain over the base", "", note, "", *markdown_table(GAIN_HEAD, rows), ""]
