"""How many answers are right, what thinking adds and costs, and whether that is more than a size up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from eval.choice.methods import compute_chance
from eval.probes.metrics import (
    compute_difference,
    compute_rate,
    count_failures,
    count_unfinished,
    format_mean,
    format_points,
    group_languages,
)
from eval.probes.report import Cell, Section
from eval.reasoning.parse_answer import is_right, parse_answer
from eval.results.metric_value import MetricValue
from eval.statistics import Difference
from eval.types import Example, Prediction

Pair = tuple[Example, Prediction]
ByLanguage = Mapping[str, Sequence[Pair]]


def compute_accuracy(rows: ByLanguage, langs: Sequence[str], kind: str = "") -> MetricValue:
    """Return the rate of right answers, of one kind or both; failed rows are left out."""
    values: dict[str, list[tuple[str, float]]] = {}
    for lang in langs:
        answered = [(e, p) for e, p in rows[lang] if not p.error and kind in ("", e.kind)]
        values[lang] = [(e.cluster, float(is_right(p.text, e))) for e, p in answered]
    return compute_rate(values)


def compute_unreadable(rows: ByLanguage, langs: Sequence[str]) -> MetricValue:
    """Return the rate of replies whose last line has no answer, or several. They count as wrong."""
    values: dict[str, list[tuple[str, float]]] = {}
    for lang in langs:
        answered = [(e, p) for e, p in rows[lang] if not p.error]
        values[lang] = [(e.cluster, float(parse_answer(p.text, e) is None)) for e, p in answered]
    return compute_rate(values)


def compute_gain(first: ByLanguage, second: ByLanguage, langs: Sequence[str]) -> Difference:
    """Return right answers of the first less the second, over the items that both answered."""
    differences: dict[str, list[tuple[str, float]]] = {}
    for lang in langs:
        both = _answered_by_both(first[lang], second[lang])
        differences[lang] = [(e.cluster, float(is_right(a.text, e)) - float(is_right(b.text, e))) for e, a, b in both]
    return compute_difference(differences)


def format_tokens(first: ByLanguage, second: ByLanguage, langs: Sequence[str]) -> str:
    """Format both means of output tokens over the items that both answered: "512 / 40"; "–" where none is counted."""
    both = [pair for x in langs for pair in _answered_by_both(first[x], second[x])]
    return f"{format_mean(a.output_tokens for _, a, _ in both)} / {format_mean(b.output_tokens for _, _, b in both)}"


def _answered_by_both(first: Sequence[Pair], second: Sequence[Pair]) -> list[tuple[Example, Prediction, Prediction]]:
    pairs = zip(first, second, strict=True)
    return [(e, a, b) for (e, a), (_, b) in pairs if not (a.error or b.error)]


RIGHT_HEAD = (
    "variant",
    "group",
    "all items",
    "arithmetic",
    "deduction",
    "no readable answer",
    "unfinished",
    "tokens out",
    "failed",
)
GAIN_NOTE = (
    "Points of 100, first less second, on the items that both answered [95 %, cluster-robust]. Tokens: of the first / "
    "of the second. Where the whole interval of “thinking or one size up” is above 0, thinking adds more than one size."
)


def make_sections(rows: Mapping[str, ByLanguage], ladder: Sequence[tuple[str, str | None]]) -> tuple[Section, ...]:
    """Return all tables. `ladder`: variants from the smallest up, each without thinking and, where asked, with it."""
    deductions = [e for pairs in next(iter(rows.values())).values() for e, _ in pairs if e.options]
    guessed = f"{100 * compute_chance(deductions):.0f} %" if deductions else "–"
    note = (
        f"A reply without one readable answer in its last line is wrong. Blind guesses at options: {guessed}. "
        "Tokens: mean of a reply, thinking included, as the backend counts them."
    )
    right = [
        _accuracy_line(variant, group, langs, by_lang)
        for variant, by_lang in rows.items()
        for group, langs in group_languages(by_lang).items()
    ]
    gains = [line for what, a, b in list_comparisons(ladder) for line in _gain_lines(what, a, b, rows)]
    sections = (
        Section("Right answers", note, RIGHT_HEAD, right),
        Section(
            "Thinking against one size up",
            GAIN_NOTE,
            ("what", "first", "second", "group", "points", "p", "tokens out"),
            gains,
        ),
    )
    return tuple(section for section in sections if section.rows)


def list_comparisons(ladder: Sequence[tuple[str, str | None]]) -> list[tuple[str, str, str]]:
    """List "thinking" for each size that has both, and both other comparisons between neighbours."""
    comparisons = [("thinking", on, off) for off, on in ladder if on]
    for (small, thinking), (large, _) in pairwise(ladder):
        comparisons.append(("one size up", large, small))
        if thinking:
            comparisons.append(("thinking or one size up", thinking, large))
    return comparisons


def _accuracy_line(variant: str, group: str, langs: Sequence[str], rows: ByLanguage) -> list[Cell]:
    predictions = [p for x in langs for _, p in rows[x]]
    return [
        variant,
        group,
        *(compute_accuracy(rows, langs, kind) for kind in ("", "arithmetic", "deduction")),
        compute_unreadable(rows, langs),
        count_unfinished(predictions),
        format_mean(p.output_tokens for p in predictions if not p.error),
        count_failures(predictions),
    ]


def _gain_lines(what: str, first: str, second: str, rows: Mapping[str, ByLanguage]) -> list[list[Cell]]:
    a, b = rows[first], rows[second]
    lines: list[list[Cell]] = []
    for group, langs in group_languages(a).items():
        gain = compute_gain(a, b, langs)
        p = f"{gain.p:.3f}" if gain.n else "–"
        lines.append([what, first, second, group, format_points(gain), p, format_tokens(a, b, langs)])
    return lines
