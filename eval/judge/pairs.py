"""Pairs of a run's answers: which of two variants' answers to the same question is better, asked in both orders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from eval.judge.exam import ExamResult
from eval.judge.items import Choice, JudgeItem, Preference
from eval.judge.judge import Judge, pair_fingerprint
from eval.judge.rows import AnswerRow, VariantAnswers
from eval.judge.verdict_columns import ALONE, Tick, is_own_model, measure_self_preferences, run_exams
from eval.metrics.outcome import Outcome, outcome
from eval.probes.metrics import compute_rate, group_languages
from eval.results.metric_value import MetricValue
from eval.runner.jsonl_log import append, at_once, file_name, rows
from eval.statistics import Estimate
from mlrag.errors import GeneratorBusyError, GeneratorError, GeneratorUnavailableError
from mlrag.languages import language
from mlrag.settings import Settings

CHOSEN: Mapping[str, Choice] = {"first better": "a", "tie": "tie", "second better": "b"}


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """The answers of two variants to one question, neither an abstention nor unreadable."""

    first: AnswerRow
    second: AnswerRow

    @property
    def item(self) -> JudgeItem:
        return self.first.item

    @property
    def key(self) -> str:
        return pair_fingerprint(self.item, self.first.prediction.text, self.second.prediction.text)


@dataclass(frozen=True, slots=True)
class PairwiseGroup:
    """One group, a language or a tier. `shares` of the `n` pairs that both orders decided alike; they add up to 1.

    `inconsistent`: the orders disagree; `unscored`: a reply that cannot be read, or none. Both are in no share. `why`:
    the reason where nothing was asked.
    """

    group: str
    shares: Mapping[str, MetricValue]
    n: int
    inconsistent: int
    unscored: int
    why: str


@dataclass(frozen=True, slots=True)
class Pairwise:
    """`gaps`: self-preference by variant that shares the judge's model; None where it cannot be known."""

    judge: str
    model: str
    first: str
    second: str
    contests: Sequence[PairwiseGroup]
    gaps: Mapping[str, Estimate | None]


def judge_pairs(
    judge: Judge, parts: Sequence[VariantAnswers], names: tuple[str, str], folder: Path, settings: Settings, tick: Tick
) -> Pairwise:
    """Ask the judge of every question that both variants answered, in the languages whose exam admits it.

    Replies lie in `folder`/judged; one of both orders is asked again only together. Where the judge's model is one of
    the two, its verdicts on all answers of the run are taken too: they give the gap. Raises ValueError for variants
    that the run lacks, GeneratorUnavailableError.
    """
    by = {(p.variant, p.lang): p for p in parts}
    langs = list(dict.fromkeys(p.lang for p in parts if p.variant in names))
    if missing := set(names) - {p.variant for p in parts}:
        there = ", ".join(sorted({p.variant for p in parts}))
        raise ValueError(f"run {folder.name} has no row of {', '.join(sorted(missing))}, but of {there}")
    exams, unexamined = run_exams(judge, langs, settings, tick)
    why = {lang: unexamined.get(lang) or _refused(exams[lang]) for lang in langs}
    admitted = [p for p in parts if not why.get(p.lang, "no pair")]
    own = {p.variant for p in parts if p.variant in names and is_own_model(judge, p, settings)}
    gaps = measure_self_preferences(judge, own, admitted, folder, settings, tick)
    if any(gap is None for gap in gaps.values()):
        why = {lang: said or ALONE for lang, said in why.items()}
    said: dict[str, list[tuple[AnswerPair, Preference]]] = {lang: [] for lang in langs}
    for lang in (x for x in langs if not why[x] and all((n, x) in by for n in names)):
        found = pair_answers(by[names[0], lang], by[names[1], lang])
        path = folder / "judged" / f"{file_name(judge.name)}.pairs.{file_name(' '.join(names))}.{lang}.jsonl"
        said[lang] = list(zip(found, prefer_all(judge, found, path, tick, settings.concurrency), strict=True))
    contests = [_contest(group, members, said, why) for group, members in group_languages(langs).items()]
    return Pairwise(judge.name, judge.model, *names, contests, gaps)


def pair_answers(first: VariantAnswers, second: VariantAnswers) -> list[AnswerPair]:
    """The questions that both answered."""
    lang = language(first.lang)
    there = {r.example.id: r for r in second.rows if outcome(r.prediction, lang) is Outcome.ANSWERED}
    asked = (r for r in first.rows if outcome(r.prediction, lang) is Outcome.ANSWERED)
    return [AnswerPair(r, there[r.example.id]) for r in asked if r.example.id in there]


def prefer_all(
    judge: Judge, asked: Sequence[AnswerPair], path: Path, tick: Tick, concurrency: int = 1
) -> list[Preference]:
    """Every pair's preference in order, asking only what is not there yet; failed ones are asked again."""
    there = {r["key"]: Preference(r["choice"], tuple(r["raw"])) for r in rows(path)}
    lock = Lock()

    def ask(pair: AnswerPair) -> Preference:
        found = _preferred(judge, pair)
        if not found.error:
            with lock:
                append(path, {"id": pair.item.id, "key": pair.key, "choice": found.choice, "raw": found.raw})
        tick()
        return found

    new = {p.key: p for p in asked if p.key not in there}
    there |= dict(zip(new, at_once(ask, list(new.values()), concurrency, judge.name), strict=True))
    return [there[p.key] for p in asked]


def _preferred(judge: Judge, pair: AnswerPair) -> Preference:
    try:
        return judge.prefer(pair.item, pair.first.prediction.text, pair.second.prediction.text)
    except GeneratorError as error:
        if isinstance(error, GeneratorUnavailableError) and not isinstance(error, GeneratorBusyError):
            raise
        return Preference("unscored", ("", ""), str(error))


def _refused(exam: ExamResult) -> str:
    return "" if exam.admitted else exam.why


def _contest(
    group: str,
    langs: Sequence[str],
    said: Mapping[str, Sequence[tuple[AnswerPair, Preference]]],
    why: Mapping[str, str],
) -> PairwiseGroup:
    """A tier is the mean of its languages that were judged; which were not stands beside it."""
    decided = {x: [(p.item.cluster, v.choice) for p, v in said[x] if v.choice in CHOSEN.values()] for x in langs}
    shares = {
        name: compute_rate({x: [(cluster, float(c == choice)) for cluster, c in decided[x]] for x in langs})
        for name, choice in CHOSEN.items()
    }
    told = [v for x in langs for _, v in said[x]]
    count = {choice: sum(v.choice == choice for v in told) for choice in ("inconsistent", "unscored")}
    reasons = [f"{x}: {why[x]}" if len(langs) > 1 else why[x] for x in langs if why[x]]
    error = next((v.error for v in told if v.error), "")
    if not told and not reasons:
        error = "no question that both answered"
    n = sum(map(len, decided.values()))
    return PairwiseGroup(
        group, shares, n, count["inconsistent"], count["unscored"], "; ".join([*reasons, *filter(None, [error])])
    )


def swap_rate(found: PairwiseGroup) -> float:
    """The share of readable pairs whose orders disagree, in [0, 1]: how far position decides. nan for none."""
    readable = found.n + found.inconsistent
    return found.inconsistent / readable if readable else math.nan
