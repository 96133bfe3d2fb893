"""How far a context can grow before what stands in it is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.longcontext.contexts import DEPTHS, Hunt
from eval.metrics.answers import containment
from eval.metrics.outcome import Outcome, outcome
from eval.probes.figures import failures, groups, mean_of, rate, unfinished
from eval.probes.finding import Cell, Section
from eval.results.metric_value import MetricValue
from eval.types import Prediction
from mlrag.languages import language

ByLanguage = Mapping[str, Sequence[tuple[Hunt, Prediction]]]


@dataclass(frozen=True, slots=True)
class Effective:
    """`length`: the largest up to which every length's lower bound is at least `keep` times the score at the shortest;
    None where not even the shortest's is."""

    shortest: MetricValue
    length: int | None


def good(hunt: Hunt, prediction: Prediction) -> bool:
    """An answer that holds a reference, where the passage is there; an abstention, where it is not."""
    lang = language(hunt.example.lang)
    ended = outcome(prediction, lang)
    if hunt.depth is None:
        return ended is Outcome.ABSTAINED
    return ended is Outcome.ANSWERED and containment(prediction.text, hunt.example.answers, lang) == 1.0


def found(rows: ByLanguage, langs: Sequence[str], length: int, depths: Sequence[int | None] = DEPTHS) -> MetricValue:
    """The share of good replies at a length and these depths; failed rows are left out."""
    return rate(
        {
            x: [
                (h.example.cluster, float(good(h, p)))
                for h, p in rows[x]
                if h.length == length and h.depth in depths and not p.error
            ]
            for x in langs
        }
    )


def effective(rows: ByLanguage, langs: Sequence[str], lengths: Sequence[int], keep: float) -> Effective:
    shortest, reached = found(rows, langs, lengths[0]), None
    for length in lengths:
        figure = found(rows, langs, length)
        if not figure.value or figure.interval is None or figure.interval.low < keep * (shortest.value or 0.0):
            break
        reached = length
    return Effective(shortest, reached)


def sections(
    rows: Mapping[str, ByLanguage], lengths: Sequence[int], keep: float, advertised: Mapping[str, str]
) -> tuple[Section, ...]:
    """All tables. `advertised`: what each variant's maker says of its context."""
    heads = tuple(f"{n:,}" for n in lengths)
    return (
        Section(
            "Found, by length of the context",
            "Over all depths. Lengths are tokens, estimated from above; “–” where a language's material or the "
            "variant's window ends before.",
            ("variant", "group", *heads, "unfinished", "failed"),
            [
                [v, g, *(found(by, langs, n) for n in lengths), _unfinished(by, langs), _failed(by, langs)]
                for v, by in rows.items()
                for g, langs in groups(by).items()
            ],
        ),
        Section(
            "Silent where the passage is not there",
            "The same contexts without the gold passage: the only good reply is the abstention.",
            ("variant", "group", *heads),
            [
                [v, g, *(found(by, langs, n, [None]) for n in lengths)]
                for v, by in rows.items()
                for g, langs in groups(by).items()
            ],
        ),
        Section(
            "Found, by depth",
            "Over all languages. Per cent of the other passages before the gold one. Tokens read: the mean, as "
            "the backend counts.",
            ("variant", "depth", *heads),
            [line for v, by in rows.items() for line in _depth_lines(v, by, lengths)],
        ),
        Section(
            "Effective context",
            f"The largest length up to which the lower bound stays above {keep:.0%} of the score at {heads[0]}. Few "
            "questions have low lower bounds: none shown is not none had.",
            ("variant", "group", f"found at {heads[0]}", "effective", "longest asked", "advertised"),
            [
                _effective_line(v, g, by, langs, lengths, keep, advertised[v])
                for v, by in rows.items()
                for g, langs in groups(by).items()
            ],
        ),
    )


def _unfinished(rows: ByLanguage, langs: Sequence[str]) -> str:
    return unfinished(p for x in langs for _, p in rows[x])


def _failed(rows: ByLanguage, langs: Sequence[str]) -> str:
    return failures(p for x in langs for _, p in rows[x])


def _depth_lines(variant: str, rows: ByLanguage, lengths: Sequence[int]) -> list[list[Cell]]:
    langs = list(rows)
    lines: list[list[Cell]] = [[variant, f"{d} %", *(found(rows, langs, n, [d]) for n in lengths)] for d in DEPTHS]
    read = [mean_of(p.prompt_tokens for x in langs for h, p in rows[x] if h.length == n) for n in lengths]
    return [*lines, [variant, "tokens read", *read]]


def _effective_line(
    variant: str, group: str, rows: ByLanguage, langs: Sequence[str], lengths: Sequence[int], keep: float, said: str
) -> list[Cell]:
    reached = effective(rows, langs, lengths, keep)
    longest = max((h.length for x in langs for h, p in rows[x] if not p.error), default=0)
    shown = f"{reached.length:,}" if reached.length else "none shown"
    return [variant, group, reached.shortest, shown, f"{longest:,}", said]
