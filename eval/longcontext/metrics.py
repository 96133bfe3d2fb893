"""How far a context can grow before what stands in it is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.longcontext.contexts import DEPTHS, Hunt
from eval.metrics.answers import containment
from eval.metrics.outcome import Outcome, outcome
from eval.probes.metrics import compute_rate, count_failures, count_unfinished, format_mean, group_languages
from eval.probes.report import Cell, Section
from eval.results.metric_value import MetricValue
from eval.types import Prediction
from mlrag.languages import language

ByLanguage = Mapping[str, Sequence[tuple[Hunt, Prediction]]]


@dataclass(frozen=True, slots=True)
class EffectiveContext:
    """How far the score holds.

    `length` is the largest up to which every length's lower bound is at least `keep` times the score at the shortest;
    None where not even the shortest's is.
    """

    shortest: MetricValue
    length: int | None


def is_good(hunt: Hunt, prediction: Prediction) -> bool:
    """Return True for an answer with a reference where the passage is present, or an abstention where it is not."""
    lang = language(hunt.example.lang)
    ended = outcome(prediction, lang)
    if hunt.depth is None:
        return ended is Outcome.ABSTAINED
    return ended is Outcome.ANSWERED and containment(prediction.text, hunt.example.answers, lang) == 1.0


def compute_found_rate(
    rows: ByLanguage, langs: Sequence[str], length: int, depths: Sequence[int | None] = DEPTHS
) -> MetricValue:
    """Return the rate of good replies at a length and these depths; failed rows are left out."""
    values: dict[str, list[tuple[str, float]]] = {}
    for lang in langs:
        chosen = [(h, p) for h, p in rows[lang] if h.length == length and h.depth in depths and not p.error]
        values[lang] = [(h.example.cluster, float(is_good(h, p))) for h, p in chosen]
    return compute_rate(values)


def compute_effective_context(
    rows: ByLanguage, langs: Sequence[str], lengths: Sequence[int], keep: float
) -> EffectiveContext:
    """Return the effective context over these lengths, in ascending order."""
    shortest, reached = compute_found_rate(rows, langs, lengths[0]), None
    for length in lengths:
        rate = compute_found_rate(rows, langs, length)
        if not rate.value or rate.interval is None or rate.interval.low < keep * (shortest.value or 0.0):
            break
        reached = length
    return EffectiveContext(shortest, reached)


LENGTH_NOTE = (
    "Over all depths. Lengths are tokens, estimated from above; “–” where a language's material or the variant's "
    "window ends before."
)
ABSENT_NOTE = "The same contexts without the gold passage: the only good reply is the abstention."
DEPTH_NOTE = (
    "Over all languages. Per cent of the other passages before the gold one. Tokens read: the mean, as the backend "
    "counts."
)


def make_sections(
    rows: Mapping[str, ByLanguage], lengths: Sequence[int], keep: float, advertised: Mapping[str, str]
) -> tuple[Section, ...]:
    """Return all tables. `advertised`: the context that each variant's maker states."""
    heads = tuple(f"{n:,}" for n in lengths)
    found: list[list[Cell]] = []
    absent: list[list[Cell]] = []
    depths: list[list[Cell]] = []
    effective: list[list[Cell]] = []
    for variant, by_lang in rows.items():
        for group, langs in group_languages(by_lang).items():
            predictions = [p for x in langs for _, p in by_lang[x]]
            rates = [compute_found_rate(by_lang, langs, n) for n in lengths]
            found.append([variant, group, *rates, count_unfinished(predictions), count_failures(predictions)])
            absent.append([variant, group, *(compute_found_rate(by_lang, langs, n, [None]) for n in lengths)])
            cells = _effective_cells(by_lang, langs, lengths, keep)
            effective.append([variant, group, *cells, advertised[variant]])
        depths += _depth_lines(variant, by_lang, lengths)
    effective_note = (
        f"The largest length up to which the lower bound stays above {keep:.0%} of the score at {heads[0]}. With few "
        "questions the lower bounds are low: “none shown” does not mean that there is none."
    )
    effective_head = ("variant", "group", f"found at {heads[0]}", "effective", "longest asked", "advertised")
    return (
        Section(
            "Found, by length of the context", LENGTH_NOTE, ("variant", "group", *heads, "unfinished", "failed"), found
        ),
        Section("Silent where the passage is not there", ABSENT_NOTE, ("variant", "group", *heads), absent),
        Section("Found, by depth", DEPTH_NOTE, ("variant", "depth", *heads), depths),
        Section("Effective context", effective_note, effective_head, effective),
    )


def _depth_lines(variant: str, rows: ByLanguage, lengths: Sequence[int]) -> list[list[Cell]]:
    langs = list(rows)
    lines: list[list[Cell]] = []
    for depth in DEPTHS:
        lines.append([variant, f"{depth} %", *(compute_found_rate(rows, langs, n, [depth]) for n in lengths)])
    pairs = [pair for x in langs for pair in rows[x]]
    tokens = [format_mean(p.prompt_tokens for h, p in pairs if h.length == n) for n in lengths]
    return [*lines, [variant, "tokens read", *tokens]]


def _effective_cells(rows: ByLanguage, langs: Sequence[str], lengths: Sequence[int], keep: float) -> list[Cell]:
    result = compute_effective_context(rows, langs, lengths, keep)
    longest = max((h.length for x in langs for h, p in rows[x] if not p.error), default=0)
    return [result.shortest, f"{result.length:,}" if result.length else "none shown", f"{longest:,}"]
