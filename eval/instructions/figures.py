"""How many constraints are followed as they pile up, and which one goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eval.instructions.checks import KINDS, Verdict, check, read
from eval.instructions.tasks import MOST, Task
from eval.metrics.outcome import Outcome, outcome
from eval.probes.figures import difference, failures, groups, points, rate, unfinished
from eval.probes.finding import Cell, Section
from eval.results.metric_value import MetricValue
from eval.types import Prediction
from mlrag.languages import language
from mlrag.text.tokens import numbers

LEVELS = tuple(map(str, range(1, MOST + 1)))


@dataclass(frozen=True, slots=True)
class Checked:
    """One reply held against its task. `written` is False for an abstention or a reply without a letter: then every
    constraint counts as dropped. `grounded`: all its numbers stand in the passages; None where it has none."""

    task: Task
    verdicts: tuple[Verdict, ...]
    unasked: tuple[Verdict, ...]
    written: bool
    grounded: bool | None

    @property
    def all_followed(self) -> bool | None:
        """None where nothing was dropped, but not everything could be decided."""
        if Verdict.DROPPED in self.verdicts:
            return False
        return None if Verdict.UNDECIDED in self.verdicts else True

    @property
    def level(self) -> int:
        return len(self.task.constraints)


def checked(task: Task, prediction: Prediction) -> Checked | None:
    """None for a failed row."""
    if prediction.error:
        return None
    lang = language(task.example.lang)
    if outcome(prediction, lang) is not Outcome.ANSWERED:
        lost = (Verdict.DROPPED,) * len(task.constraints)
        return Checked(task, lost, (Verdict.UNDECIDED,) * len(task.others), False, None)
    said = read(prediction.text, len(task.passages))
    stated = numbers(said.prose)
    return Checked(
        task,
        tuple(check(c, said, lang) for c in task.constraints),
        tuple(check(c, said, lang) for c in task.others),
        True,
        stated <= numbers("\n".join(task.passages)) if stated else None,
    )


ByLanguage = Mapping[str, Sequence[Checked]]
Valued = Callable[[Checked], Iterator[float]]


def _rate(rows: ByLanguage, langs: Sequence[str], values: Valued) -> MetricValue:
    return rate({x: [(c.task.topic, v) for c in rows[x] for v in values(c)] for x in langs})


def _followed(verdicts: Sequence[Verdict]) -> Iterator[float]:
    return (float(v is Verdict.FOLLOWED) for v in verdicts if v is not Verdict.UNDECIDED)


def _known(value: bool | None) -> Iterator[float]:
    return iter(()) if value is None else iter((float(value),))


def each_followed(rows: ByLanguage, langs: Sequence[str], level: int) -> MetricValue:
    """The share of decided constraints that were followed, in tasks with so many."""
    return _rate(rows, langs, lambda c: _followed(c.verdicts) if c.level == level else iter(()))


def all_followed(rows: ByLanguage, langs: Sequence[str], level: int) -> MetricValue:
    return _rate(rows, langs, lambda c: _known(c.all_followed) if c.level == level else iter(()))


def followed(rows: ByLanguage, kind: str, levels: range) -> MetricValue:
    """How often one kind is followed where it is asked beside others, so many in all."""
    return _rate(rows, list(rows), lambda c: _of_kind(c, kind) if c.level in levels else iter(()))


def unasked(rows: ByLanguage, kind: str) -> MetricValue:
    """How often replies keep to a kind that was not asked: what following it has to beat."""
    return _rate(
        rows,
        list(rows),
        lambda c: _followed([v for o, v in zip(c.task.others, c.unasked, strict=True) if o.kind == kind]),
    )


def went_first(rows: ByLanguage, kind: str) -> MetricValue:
    """Of the replies that dropped exactly one of two or more constraints, this kind among them: the share in which it
    was this one."""
    return _rate(rows, list(rows), lambda c: _of_kind(c, kind, Verdict.DROPPED) if _dropped_one(c) else iter(()))


def _of_kind(c: Checked, kind: str, sought: Verdict = Verdict.FOLLOWED) -> Iterator[float]:
    pairs = zip(c.task.constraints, c.verdicts, strict=True)
    return (float(v is sought) for asked, v in pairs if asked.kind == kind and v is not Verdict.UNDECIDED)


def _dropped_one(c: Checked) -> bool:
    return c.level > 1 and c.verdicts.count(Verdict.DROPPED) == 1


def change(rows: ByLanguage, kind: str) -> str:
    """Followed with all five less followed when it was the last one added, over topics and languages that have both."""
    found: dict[str, list[tuple[str, float]]] = {}
    for lang, there in rows.items():
        by_id = {c.task.example.id: c for c in there}
        pairs = ((c, by_id.get(f"{c.task.topic}~{MOST}")) for c in there if c.task.constraints[-1].kind == kind)
        found[lang] = [
            (c.task.topic, after - before)
            for c, last in pairs
            if last is not None and c.level < MOST
            for before, after in zip(_of_kind(c, kind), _of_kind(last, kind), strict=False)
        ]
    return points(difference(found))


def sections(found: Mapping[str, Mapping[str, Sequence[tuple[Task, Prediction]]]]) -> tuple[Section, ...]:
    """All tables, from rows by variant and language."""
    rows = {
        v: {x: [c for t, p in pairs if (c := checked(t, p))] for x, pairs in langs.items()}
        for v, langs in found.items()
    }
    return (
        Section(
            "Each constraint followed, by how many there are",
            "Of the constraints that the checkers could decide. Numbers grounded: replies with numbers, all of which "
            "stand in the passages. No text: abstentions and replies without a letter; every constraint is dropped.",
            ("variant", "group", *LEVELS, "numbers grounded", "no text", "unfinished", "failed"),
            [
                _each_line(v, group, langs, by_lang, {x: [p for _, p in found[v][x]] for x in langs})
                for v, by_lang in rows.items()
                for group, langs in groups(by_lang).items()
            ],
        ),
        Section(
            "All followed, by how many there are",
            "0 with any dropped; a reply with none dropped but one undecided is left out.",
            ("variant", "group", *LEVELS),
            [
                [v, group, *(all_followed(by_lang, langs, n) for n in range(1, MOST + 1))]
                for v, by_lang in rows.items()
                for group, langs in groups(by_lang).items()
            ],
        ),
        Section(
            "Which one goes",
            "Over all languages; the kind that goes first stands first. Went first: of replies that dropped exactly "
            "one of several, this kind among them, the share in which it was this one. Stacked: points followed with "
            "five at once less when it was added. Unasked: how often replies keep to it anyway.",
            (
                "variant",
                "constraint",
                "went first",
                "1 or 2 at once",
                "4 or 5 at once",
                "stacked",
                "unasked",
                "undecided",
            ),
            [line for v, by_lang in rows.items() for line in _kind_lines(v, by_lang)],
        ),
    )


def _each_line(
    variant: str, group: str, langs: Sequence[str], rows: ByLanguage, said: Mapping[str, Sequence[Prediction]]
) -> list[Cell]:
    cut = unfinished(p for x in langs for p in said[x])
    grounded = _rate(rows, langs, lambda c: _known(c.grounded))
    silent = _rate(rows, langs, lambda c: _known(not c.written))
    levels = (each_followed(rows, langs, n) for n in range(1, MOST + 1))
    return [variant, group, *levels, grounded, silent, cut, failures(p for x in langs for p in said[x])]


def _kind_lines(variant: str, rows: ByLanguage) -> list[list[Cell]]:
    asked = [k for k in KINDS if any(c.kind == k for there in rows.values() for x in there for c in x.task.constraints)]
    first = {kind: went_first(rows, kind) for kind in asked}
    ordered = sorted(asked, key=lambda k: -(first[k].value or 0.0))
    return [
        [
            variant,
            kind.replace("_", " "),
            first[kind],
            followed(rows, kind, range(1, 3)),
            followed(rows, kind, range(4, MOST + 1)),
            change(rows, kind),
            unasked(rows, kind),
            str(_undecided(rows, kind)),
        ]
        for kind in ordered
    ]


def _undecided(rows: ByLanguage, kind: str) -> int:
    pairs = (p for there in rows.values() for c in there for p in zip(c.task.constraints, c.verdicts, strict=True))
    return sum(asked.kind == kind and v is Verdict.UNDECIDED for asked, v in pairs)
