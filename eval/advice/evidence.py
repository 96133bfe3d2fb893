"""What was measured: the rows of stored runs, by candidate, ready to be paired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.advice.constraints import Candidate, parse_candidate
from eval.advice.decision_rule import Table
from eval.metrics.summary import ABSTENTION, ANSWER
from eval.report.view import STAND_IN
from eval.results.metric_value import MetricValue
from eval.results.scores import Rows, count_tokens, group_by_metric, score_rows
from eval.runner.plan import is_closed_book, read_plan
from eval.runner.rows import RowStore
from eval.statistics import macro_rate
from eval.types import ARTICLE_REMOVED, NEAR_MISS, Example, Prediction
from mlrag.languages import language
from mlrag.models.variants import CustomVariant

ENOUGH = 0.8  # of the rows that the best asked candidate has in a language; fewer are not compare
_MAY_DIFFER = {"langs", "limit", "corpus_and_questions", "index_commits", "data", "suite", "own_variants"}


@dataclass(frozen=True, slots=True)
class ReplyScore:
    """What one reply was worth, in [0, 1]. `kind`: "answer", or why it was unanswerable."""

    cluster: str
    kind: str
    value: float


@dataclass(frozen=True, slots=True)
class CandidateResults:
    """One candidate's rows by language. Seconds are a question's, None where no row ran; tokens None if uncounted."""

    candidate: Candidate
    models: tuple[str, ...]
    outcomes: Mapping[str, Mapping[str, ReplyScore]]
    rows: Mapping[str, Rows]
    failed: Mapping[str, int]
    seconds: float | None
    p95: float | None
    tokens: tuple[float, float] | None

    @property
    def stand_in(self) -> bool:
        return any(STAND_IN in model for model in self.models)

    def figure(self, name: str) -> MetricValue:
        """The mean over its languages of a figure of eval.results.scores."""
        there = {lang: rows[name] for lang, rows in self.rows.items() if rows.get(name)}
        if not there:
            return MetricValue(None, 0, None)
        found = macro_rate(there)
        return MetricValue(found.value, found.n, found.interval)


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """All that is measured, by candidate's name. `warnings` say what makes runs differ."""

    measured: Mapping[str, CandidateResults]
    runs: tuple[str, ...]
    warnings: tuple[str, ...]


NOTHING = RunEvidence({}, (), ())
Found = dict[str, dict[str, dict[str, tuple[Example, Prediction]]]]


def read_evidence(
    folders: Sequence[Path],
    langs: Iterable[str],
    own: Mapping[str, CustomVariant],
    tick: Callable[[str], None] = lambda _: None,
) -> RunEvidence:
    """Every variant of these runs in these languages; of a question asked twice, the later run's row counts.

    `tick` is told of each variant before it is scored. Rows of a closed book are left out.
    """
    found: Found = {}
    names: dict[str, Candidate] = {}
    plans = [read_plan(folder) for folder in folders]
    for folder, plan in zip(folders, plans, strict=True):
        run = RowStore(folder)
        known = {n: CustomVariant(**c) for n, c in plan.signature.get("own_variants", {}).items()} | dict(own)
        for variant in (v for v in run.variants() if not is_closed_book(v)):
            one = parse_candidate(variant, known)
            name = next((n for n, c in names.items() if c.key == one.key and not c.own), one.name)
            names.setdefault(name, one)
            for lang in (x for x in langs if x in plan.examples):
                examples = plan.examples[lang]
                pairs = zip(examples, run.predictions(examples, variant, lang), strict=True)
                found.setdefault(name, {}).setdefault(lang, {}).update((e.id, (e, p)) for e, p in pairs)
    measured = {}
    for name, by_lang in found.items():
        tick(name)
        measured[name] = _measured(names[name], by_lang)
    return RunEvidence(measured, tuple(p.name for p in plans), _warnings([p.signature for p in plans]))


def _measured(one: Candidate, by_lang: Mapping[str, Mapping[str, tuple[Example, Prediction]]]) -> CandidateResults:
    outcomes, rows, failed = {}, {}, {}
    said = [p for pairs in by_lang.values() for _, p in pairs.values() if not p.error]
    for lang, pairs in by_lang.items():
        examples, predictions = [e for e, _ in pairs.values()], [p for _, p in pairs.values()]
        values = score_rows(examples, predictions, language(lang))
        rows[lang] = group_by_metric(examples, values)
        failed[lang] = sum(bool(p.error) for p in predictions)
        scored = ((e, _outcome(e, v)) for e, v in zip(examples, values, strict=True))
        outcomes[lang] = {e.id: o for e, o in scored if o}
    seconds, counted = [p.seconds for p in said], count_tokens(said)
    tokens = (counted.prompt_tokens or 0.0, counted.output_tokens) if counted.output_tokens is not None else None
    return CandidateResults(
        candidate=one,
        models=tuple(sorted({p.model for p in said if p.model})),
        outcomes=outcomes,
        rows=rows,
        failed=failed,
        seconds=float(np.mean(seconds)) if seconds else None,
        p95=float(np.quantile(seconds, 0.95)) if seconds else None,
        tokens=tokens,
    )


def _outcome(example: Example, values: Mapping[str, float] | None) -> ReplyScore | None:
    """The worth of a reply to an answerable question, silence towards another (eval/metrics/summary.py)."""
    for name, value in (values or {}).items():
        if name == ANSWER or name.startswith(ABSTENTION):
            return ReplyScore(
                example.cluster or example.id, name.removeprefix(ABSTENTION).replace(ANSWER, "answer"), value
            )
    return None


def _warnings(signatures: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    keys = {key for s in signatures for key in s} - _MAY_DIFFER
    differing = sorted(k for k in keys if len({str(s.get(k)) for s in signatures}) > 1)
    return (f"the runs differ in {', '.join(differing)}: variants of one are not quite compare alike",) * bool(
        differing
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table with the (language, kind) of each stratum; `left_out` says why each other candidate is not in it."""

    table: Table | None
    strata: tuple[tuple[str, str], ...]
    left_out: Mapping[str, str]

    @property
    def n(self) -> int:
        return 0 if self.table is None else self.table.values.shape[1]

    def asked(self, rows: Mapping[int, int]) -> dict[str, int]:
        """Questions by language that make so many rows by stratum: one with an answer makes another, unanswerable row
        when its document is hidden."""
        found: dict[str, dict[str, int]] = {}
        for place, (lang, kind) in enumerate(self.strata):
            found.setdefault(lang, {})[kind] = rows.get(place, 0)
        twins = {lang: max(n.get("answer", 0), n.get(ARTICLE_REMOVED, 0)) for lang, n in found.items()}
        return {lang: twins[lang] + n.get(NEAR_MISS, 0) for lang, n in found.items()}


def compare(found: Mapping[str, CandidateResults], weights: Mapping[str, float], answerable: float) -> Comparison:
    """The rows that all of them have: languages by `weights`; in each, answerable questions by `answerable` and the
    other kinds alike. Who has too few rows in a language is left out; no table where nobody is left."""
    left_out = _too_few(found, weights)
    names = tuple(n for n in found if n not in left_out)
    strata: list[tuple[str, str, float, list[str]]] = []
    for lang, weight in weights.items() if names else ():
        shared = set.intersection(*(set(found[n].outcomes[lang]) for n in names))
        by_kind: dict[str, list[str]] = {}
        for example in sorted(shared):
            by_kind.setdefault(found[names[0]].outcomes[lang][example].kind, []).append(example)
        strata += [(lang, k, weight * _part(k, by_kind, answerable), ids) for k, ids in sorted(by_kind.items())]
    if not strata or len({lang for lang, *_ in strata}) < len(weights):
        return Comparison(None, (), left_out)
    return Comparison(_table(found, names, strata), tuple((lang, kind) for lang, kind, *_ in strata), left_out)


def _too_few(found: Mapping[str, CandidateResults], weights: Mapping[str, float]) -> dict[str, str]:
    most = {x: max((len(m.outcomes.get(x, {})) for m in found.values()), default=0) for x in weights}
    left_out = {}
    for name, m in found.items():
        for lang in weights:
            n = len(m.outcomes.get(lang, {}))
            if n < max(1, ENOUGH * most[lang]):
                left_out[name] = f"{n} of {most[lang]} rows in {lang}" if most[lang] else f"no rows in {lang}"
    return left_out


def _part(kind: str, kinds: Mapping[str, Sequence[str]], answerable: float) -> float:
    others = len(kinds) - ("answer" in kinds)
    if "answer" not in kinds or not others:
        return 1 / len(kinds)
    return answerable if kind == "answer" else (1 - answerable) / others


def _table(
    found: Mapping[str, CandidateResults], names: tuple[str, ...], strata: Sequence[tuple[str, str, float, list[str]]]
) -> Table:
    rows = [(s, lang, i) for s, (lang, _, _, ids) in enumerate(strata) for i in ids]
    clusters: dict[str, int] = {}
    first = found[names[0]].outcomes
    return Table(
        names,
        np.array([[found[n].outcomes[lang][i].value for _, lang, i in rows] for n in names], float),
        np.array([s for s, _, _ in rows], np.intp),
        np.array([clusters.setdefault(first[x][i].cluster, len(clusters)) for _, x, i in rows], np.intp),
        np.array([weight for _, _, weight, _ in strata], float),
    )
