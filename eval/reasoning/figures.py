"""How many answers are right, what thinking adds and costs, and whether that is more than a size up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from eval.choice.methods import chance
from eval.probes.figures import difference, failures, groups, mean_of, points, rate, unfinished
from eval.probes.finding import Cell, Section
from eval.reasoning.parse_answer import final, right
from eval.results.metric_value import MetricValue
from eval.statistics import Difference
from eval.types import Example, Prediction

Pair = tuple[Example, Prediction]
ByLanguage = Mapping[str, Sequence[Pair]]


def accuracy(rows: ByLanguage, langs: Sequence[str], kind: str = "") -> MetricValue:
    """The share of right answers, of one kind or both; failed rows are left out."""
    return rate(
        {
            x: [(e.cluster, float(right(p.text, e))) for e, p in _answered(rows[x]) if kind in ("", e.kind)]
            for x in langs
        }
    )


def unreadable(rows: ByLanguage, langs: Sequence[str]) -> MetricValue:
    """The share whose last line holds no answer, or several. They are wrong above."""
    return rate({x: [(e.cluster, float(final(p.text, e) is None)) for e, p in _answered(rows[x])] for x in langs})


def gain(first: ByLanguage, second: ByLanguage, langs: Sequence[str]) -> Difference:
    """Right answers of the first less the second, over the items that both answered."""
    return difference(
        {x: [(e.cluster, _worth(a, e) - _worth(b, e)) for e, a, b in _both(first[x], second[x])] for x in langs}
    )


def tokens(first: ByLanguage, second: ByLanguage, langs: Sequence[str]) -> str:
    """Mean output tokens of both over the items that both answered, "512 / 40"; "–" where nobody counts them."""
    both = [pair for x in langs for pair in _both(first[x], second[x])]
    return f"{mean_of(a.output_tokens for _, a, _ in both)} / {mean_of(b.output_tokens for _, _, b in both)}"


def _answered(pairs: Sequence[Pair]) -> Iterator[Pair]:
    return ((e, p) for e, p in pairs if not p.error)


def _both(first: Sequence[Pair], second: Sequence[Pair]) -> Iterator[tuple[Example, Prediction, Prediction]]:
    pairs = zip(first, second, strict=True)
    return ((e, a, b) for (e, a), (_, b) in pairs if not (a.error or b.error))


def _worth(prediction: Prediction, example: Example) -> float:
    return float(right(prediction.text, example))


def sections(rows: Mapping[str, ByLanguage], ladder: Sequence[tuple[str, str | None]]) -> tuple[Section, ...]:
    """All tables. `ladder`: variants from the smallest up, each without thinking and, where asked, with it."""
    first = next(iter(rows.values()))
    deductions = [e for pairs in first.values() for e, _ in pairs if e.options]
    guessed = f"{100 * chance(deductions):.0f} %" if deductions else "–"
    found = (
        Section(
            "Right answers",
            f"A reply without one readable answer in its last line is wrong. Blind guesses at options: {guessed}. "
            "Tokens: mean of a reply, thinking included, as the backend counts them.",
            (
                "variant",
                "group",
                "all items",
                "arithmetic",
                "deduction",
                "no readable answer",
                "unfinished",
                "tokens out",
                "failed",
            ),
            [_line(v, g, langs, by_lang) for v, by_lang in rows.items() for g, langs in groups(by_lang).items()],
        ),
        Section(
            "Thinking against one size up",
            "Points of 100, first less second, on the items that both answered [95 %, cluster-robust]. Tokens: "
            "of the first / of the second. Where the whole interval of “thinking or one size up” is above 0, thinking "
            "moves more than one size.",
            ("what", "first", "second", "group", "points", "p", "tokens out"),
            [line for what, a, b in comparisons(ladder) for line in _contest(what, a, b, rows)],
        ),
    )
    return tuple(section for section in found if section.rows)


def comparisons(ladder: Sequence[tuple[str, str | None]]) -> list[tuple[str, str, str]]:
    """ "thinking" on each rung that has both, "one size up" and "thinking or a size up" between neighbours."""
    found = [("thinking", on, off) for off, on in ladder if on]
    for (small, thinking), (large, _) in pairwise(ladder):
        found.append(("one size up", large, small))
        if thinking:
            found.append(("thinking or one size up", thinking, large))
    return found


def _line(variant: str, group: str, langs: Sequence[str], rows: ByLanguage) -> list[Cell]:
    counted = mean_of(p.output_tokens for x in langs for _, p in _answered(rows[x]))
    figures = (accuracy(rows, langs, kind) for kind in ("", "arithmetic", "deduction"))
    failed = failures(p for x in langs for _, p in rows[x])
    said = unfinished(p for x in langs for _, p in rows[x])
    return [variant, group, *figures, unreadable(rows, langs), said, counted, failed]


def _contest(what: str, first: str, second: str, rows: Mapping[str, ByLanguage]) -> list[list[Cell]]:
    a, b = rows[first], rows[second]
    lines: list[list[Cell]] = []
    for group, langs in groups(a).items():
        found = gain(a, b, langs)
        p = f"{found.p:.3f}" if found.n else "–"
        lines.append([what, first, second, group, points(found), p, tokens(a, b, langs)])
    return lines
