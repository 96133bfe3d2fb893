"""Ask a judge, in both orders, which of two variants' answers to the same question is better."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from eval.judge.items import Choice, JudgeItem, Preference
from eval.judge.judge import Judge, pair_fingerprint, raise_if_unavailable
from eval.judge.rows import AnswerRow, VariantAnswers
from eval.judge.verdict_columns import ALONE, Tick, is_own_model, measure_self_preferences, run_exams
from eval.metrics.outcome import Outcome, outcome
from eval.probes.metrics import compute_rate, group_languages
from eval.results.metric_value import MetricValue
from eval.runner.jsonl_log import append, file_name, resume, rows
from eval.statistics import Estimate
from mlrag.errors import GeneratorError
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
    """The preferences in a language, a tier or all languages.

    Args:
        shares: proportions of the `n` pairs that both orders decided alike; they add up to 1.
        inconsistent: pairs whose orders disagree; not in `shares`.
        unscored: pairs with an unreadable or missing reply; not in `shares`.
        why: the reason where nothing was asked.
    """

    group: str
    shares: Mapping[str, MetricValue]
    n: int
    inconsistent: int
    unscored: int
    why: str


@dataclass(frozen=True, slots=True)
class Pairwise:
    """The comparison of two variants. `gaps`: self-preference by variant of the judge's model; None where unknown."""

    judge: str
    model: str
    first: str
    second: str
    groups: Sequence[PairwiseGroup]
    gaps: Mapping[str, Estimate | None]


def judge_pairs(
    judge: Judge, parts: Sequence[VariantAnswers], names: tuple[str, str], folder: Path, settings: Settings, tick: Tick
) -> Pairwise:
    """Ask the judge about every question that both variants answered, in the languages whose exam admits it.

    Replies are stored in `folder`/judged; both orders of a pair are asked again together. Where the judge's model is
    one of the two, its grades of all answers of the run are taken too: they give the self-preference gap.

    Raises:
        ValueError: the run lacks a variant.
        GeneratorUnavailableError: the judge cannot be reached.
    """
    by = {(p.variant, p.lang): p for p in parts}
    langs = list(dict.fromkeys(p.lang for p in parts if p.variant in names))
    if missing := set(names) - {p.variant for p in parts}:
        there = ", ".join(sorted({p.variant for p in parts}))
        raise ValueError(f"run {folder.name} has no row of {', '.join(sorted(missing))}, but of {there}")
    exams, unexamined = run_exams(judge, langs, settings, tick)
    why = {lang: unexamined.get(lang) or exams[lang].why for lang in langs}
    admitted = [p for p in parts if not why.get(p.lang, "no pair")]
    own = {p.variant for p in parts if p.variant in names and is_own_model(judge, p, settings)}
    gaps = measure_self_preferences(judge, own, admitted, folder, settings, tick)
    if any(gap is None for gap in gaps.values()):
        why = {lang: reason or ALONE for lang, reason in why.items()}
    preferences: dict[str, list[tuple[AnswerPair, Preference]]] = {lang: [] for lang in langs}
    for lang in (x for x in langs if not why[x] and all((n, x) in by for n in names)):
        pairs = pair_answers(by[names[0], lang], by[names[1], lang])
        path = folder / "judged" / f"{file_name(judge.name)}.pairs.{file_name(' '.join(names))}.{lang}.jsonl"
        preferences[lang] = list(zip(pairs, prefer_all(judge, pairs, path, tick, settings.concurrency), strict=True))
    by_group = [_make_group(group, members, preferences, why) for group, members in group_languages(langs).items()]
    return Pairwise(judge.name, judge.model, *names, by_group, gaps)


def pair_answers(first: VariantAnswers, second: VariantAnswers) -> list[AnswerPair]:
    """Pair the answers to the questions that both variants answered."""
    pack = language(first.lang)
    first_rows, second_rows = (
        {r.example.id: r for r in part.rows if outcome(r.prediction, pack) is Outcome.ANSWERED}
        for part in (first, second)
    )
    return [AnswerPair(row, second_rows[id]) for id, row in first_rows.items() if id in second_rows]


def prefer_all(
    judge: Judge, pairs: Sequence[AnswerPair], path: Path, tick: Tick, concurrency: int = 1
) -> list[Preference]:
    """Return every pair's preference, in order, asking only for those that `path` lacks or that failed."""
    done = {r["key"]: Preference(r["choice"], tuple(r["raw"])) for r in rows(path)}
    lock = Lock()

    def prefer(pair: AnswerPair) -> Preference:
        try:
            preference = judge.prefer(pair.item, pair.first.prediction.text, pair.second.prediction.text)
        except GeneratorError as error:
            raise_if_unavailable(error)
            preference = Preference("unscored", ("", ""), str(error))
        else:
            with lock:
                append(path, {"id": pair.item.id, "key": pair.key, "choice": preference.choice, "raw": preference.raw})
        tick()
        return preference

    return resume(done, pairs, lambda pair: pair.key, prefer, concurrency, judge.name)


def _make_group(
    group: str,
    langs: Sequence[str],
    preferences: Mapping[str, Sequence[tuple[AnswerPair, Preference]]],
    why: Mapping[str, str],
) -> PairwiseGroup:
    """A tier is the mean of its languages that were judged; the reasons for the others are in `why`."""
    decided = {
        lang: [(pair.item.cluster, p.choice) for pair, p in preferences[lang] if p.choice in CHOSEN.values()]
        for lang in langs
    }
    shares = {}
    for name, choice in CHOSEN.items():
        rows_of_choice = {lang: [(cluster, float(c == choice)) for cluster, c in decided[lang]] for lang in langs}
        shares[name] = compute_rate(rows_of_choice)
    in_group = [p for lang in langs for _, p in preferences[lang]]
    count = Counter(p.choice for p in in_group)
    reasons = [f"{lang}: {why[lang]}" if len(langs) > 1 else why[lang] for lang in langs if why[lang]]
    error = next((p.error for p in in_group if p.error), "")
    if not in_group and not reasons:
        error = "no question that both answered"
    reasons += [error] if error else []
    n = sum(map(len, decided.values()))
    return PairwiseGroup(group, shares, n, count["inconsistent"], count["unscored"], "; ".join(reasons))


def swap_rate(group: PairwiseGroup) -> float:
    """Return the proportion of readable pairs whose orders disagree, in [0, 1]: position bias. nan for none."""
    readable = group.n + group.inconsistent
    return group.inconsistent / readable if readable else math.nan
