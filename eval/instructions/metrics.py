"""How many constraints are followed as they pile up, and which one goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eval.instructions.checks import KINDS, Compliance, check_constraint, parse_reply
from eval.instructions.tasks import MOST, WritingTask
from eval.metrics.outcome import Outcome, outcome
from eval.probes.metrics import (
    compute_difference,
    compute_rate,
    count_failures,
    count_unfinished,
    format_points,
    group_languages,
)
from eval.probes.report import Cell, Section
from eval.results.metric_value import MetricValue
from eval.types import Prediction
from mlrag.languages import language
from mlrag.text.tokens import numbers

LEVELS = range(1, MOST + 1)
FEW, MANY = range(1, 3), range(4, MOST + 1)


@dataclass(frozen=True, slots=True)
class CheckedReply:
    """One reply with the result of each check.

    Args:
        verdicts: Of the task's constraints, in their order.
        unasked: Of the constraints that the task did not ask for.
        written: False for an abstention or a reply without a letter: then every constraint counts as dropped.
        grounded: Whether all its numbers are in the passages; None where it has none.
    """

    task: WritingTask
    verdicts: tuple[Compliance, ...]
    unasked: tuple[Compliance, ...]
    written: bool
    grounded: bool | None

    @property
    def all_followed(self) -> bool | None:
        """None where nothing was dropped, but not everything could be decided."""
        if Compliance.DROPPED in self.verdicts:
            return False
        return None if Compliance.UNDECIDED in self.verdicts else True

    @property
    def level(self) -> int:
        return len(self.task.constraints)

    def values(self, kind: str, sought: Compliance = Compliance.FOLLOWED) -> Iterator[float]:
        """1.0 for each decided constraint of this kind whose verdict is the one sought, 0.0 for each other."""
        for constraint, verdict in zip(self.task.constraints, self.verdicts, strict=True):
            if constraint.kind == kind and verdict is not Compliance.UNDECIDED:
                yield float(verdict is sought)


def check_reply(task: WritingTask, prediction: Prediction) -> CheckedReply | None:
    """Check a reply against its task; None for a failed row."""
    if prediction.error:
        return None
    lang = language(task.example.lang)
    if outcome(prediction, lang) is not Outcome.ANSWERED:
        dropped = (Compliance.DROPPED,) * len(task.constraints)
        return CheckedReply(task, dropped, (Compliance.UNDECIDED,) * len(task.others), False, None)
    reply = parse_reply(prediction.text, len(task.passages))
    stated = numbers(reply.prose)
    return CheckedReply(
        task,
        tuple(check_constraint(c, reply, lang) for c in task.constraints),
        tuple(check_constraint(c, reply, lang) for c in task.others),
        True,
        stated <= numbers("\n".join(task.passages)) if stated else None,
    )


ByLanguage = Mapping[str, Sequence[CheckedReply]]
Values = Callable[[CheckedReply], Iterator[float]]


def _compute(rows: ByLanguage, langs: Sequence[str], values: Values) -> MetricValue:
    """Return the rate of the values that replies give, a topic one cluster."""
    return compute_rate({x: [(c.task.topic, value) for c in rows[x] for value in values(c)] for x in langs})


def _score_decided(verdicts: Sequence[Compliance]) -> Iterator[float]:
    return (float(v is Compliance.FOLLOWED) for v in verdicts if v is not Compliance.UNDECIDED)


def _if_known(value: bool | None) -> Iterator[float]:
    if value is not None:
        yield float(value)


def compute_each_followed(rows: ByLanguage, langs: Sequence[str], level: int) -> MetricValue:
    """Return the rate of decided constraints that were followed, in tasks with `level` of them."""
    return _compute(rows, langs, lambda c: _score_decided(c.verdicts) if c.level == level else iter(()))


def compute_all_followed(rows: ByLanguage, langs: Sequence[str], level: int) -> MetricValue:
    """Return the rate of replies that followed all of `level` constraints."""
    return _compute(rows, langs, lambda c: _if_known(c.all_followed) if c.level == level else iter(()))


def compute_follow_rate(rows: ByLanguage, kind: str, levels: range) -> MetricValue:
    """Return how often one kind is followed where the number of constraints is in `levels`."""
    return _compute(rows, list(rows), lambda c: c.values(kind) if c.level in levels else iter(()))


def compute_unasked_rate(rows: ByLanguage, kind: str) -> MetricValue:
    """Return how often replies keep to a kind that was not asked for: what following it has to beat."""

    def values(c: CheckedReply) -> Iterator[float]:
        return _score_decided([v for other, v in zip(c.task.others, c.unasked, strict=True) if other.kind == kind])

    return _compute(rows, list(rows), values)


def compute_went_first(rows: ByLanguage, kind: str) -> MetricValue:
    """Return how often it was this kind, where a reply dropped exactly one of several constraints, it among them."""

    def values(c: CheckedReply) -> Iterator[float]:
        dropped_one = c.level > 1 and c.verdicts.count(Compliance.DROPPED) == 1
        return c.values(kind, Compliance.DROPPED) if dropped_one else iter(())

    return _compute(rows, list(rows), values)


def format_change(rows: ByLanguage, kind: str) -> str:
    """Format the points followed with all constraints less when this kind was the last one added.

    Over the topics and languages that have both.
    """
    differences: dict[str, list[tuple[str, float]]] = {}
    for lang, of_language in rows.items():
        by_id = {c.task.example.id: c for c in of_language}
        differences[lang] = []
        for added in of_language:
            stacked = by_id.get(f"{added.task.topic}~{MOST}")
            if stacked and added.level < MOST and added.task.constraints[-1].kind == kind:
                for before, after in zip(added.values(kind), stacked.values(kind), strict=False):
                    differences[lang].append((added.task.topic, after - before))
    return format_points(compute_difference(differences))


EACH_NOTE = (
    "Of the constraints that the checkers could decide. Numbers grounded: replies with numbers, all of which are in "
    "the passages. No text: abstentions and replies without a letter; every constraint is dropped."
)
ALL_NOTE = "0 with any dropped; a reply with none dropped but one undecided is left out."
KIND_NOTE = (
    "Over all languages; the kind that goes first is listed first. Went first: of replies that dropped exactly one of "
    "several, this kind among them, the share in which it was this one. Stacked: points followed with five at once "
    "less when it was added. Unasked: how often replies keep to it anyway."
)
KIND_HEAD = (
    "variant",
    "constraint",
    "went first",
    "1 or 2 at once",
    "4 or 5 at once",
    "stacked",
    "unasked",
    "undecided",
)


def make_sections(
    pairs: Mapping[str, Mapping[str, Sequence[tuple[WritingTask, Prediction]]]],
) -> tuple[Section, ...]:
    """Return all tables, from tasks and rows by variant and language."""
    each: list[list[Cell]] = []
    all_: list[list[Cell]] = []
    kinds: list[list[Cell]] = []
    for variant, by_lang in pairs.items():
        rows = {lang: _check_replies(of_language) for lang, of_language in by_lang.items()}
        for group, langs in group_languages(rows).items():
            predictions = [p for x in langs for _, p in by_lang[x]]
            each.append([variant, group, *_each_cells(rows, langs, predictions)])
            all_.append([variant, group, *(compute_all_followed(rows, langs, level) for level in LEVELS)])
        kinds += _kind_lines(variant, rows)
    levels = tuple(map(str, LEVELS))
    each_head = ("variant", "group", *levels, "numbers grounded", "no text", "unfinished", "failed")
    return (
        Section("Each constraint followed, by how many there are", EACH_NOTE, each_head, each),
        Section("All followed, by how many there are", ALL_NOTE, ("variant", "group", *levels), all_),
        Section("Which one goes", KIND_NOTE, KIND_HEAD, kinds),
    )


def _check_replies(pairs: Sequence[tuple[WritingTask, Prediction]]) -> list[CheckedReply]:
    return [checked for task, prediction in pairs if (checked := check_reply(task, prediction))]


def _each_cells(rows: ByLanguage, langs: Sequence[str], predictions: Sequence[Prediction]) -> list[Cell]:
    return [
        *(compute_each_followed(rows, langs, level) for level in LEVELS),
        _compute(rows, langs, lambda c: _if_known(c.grounded)),
        _compute(rows, langs, lambda c: _if_known(not c.written)),
        count_unfinished(predictions),
        count_failures(predictions),
    ]


def _kind_lines(variant: str, rows: ByLanguage) -> list[list[Cell]]:
    replies = [c for of_language in rows.values() for c in of_language]
    verdicts = [(c.kind, v) for r in replies for c, v in zip(r.task.constraints, r.verdicts, strict=True)]
    asked = {kind for kind, _ in verdicts}
    first = {kind: compute_went_first(rows, kind) for kind in KINDS if kind in asked}
    return [
        [
            variant,
            kind.replace("_", " "),
            first[kind],
            compute_follow_rate(rows, kind, FEW),
            compute_follow_rate(rows, kind, MANY),
            format_change(rows, kind),
            compute_unasked_rate(rows, kind),
            str(verdicts.count((kind, Compliance.UNDECIDED))),
        ]
        for kind in sorted(first, key=lambda k: -(first[k].value or 0.0))
    ]
