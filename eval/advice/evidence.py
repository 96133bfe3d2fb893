"""Read the rows of stored runs by candidate and pair them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.advice.constraints import Candidate, parse_candidate
from eval.advice.decision_rule import Table
from eval.metrics.summary import ABSTENTION, ANSWER
from eval.probes.metrics import compute_rate
from eval.report.view import STAND_IN
from eval.results.metric_value import MetricValue
from eval.results.scores import Rows, count_tokens, group_by_metric, score_rows
from eval.runner.plan import is_closed_book, read_plan
from eval.runner.rows import RowStore
from eval.types import ARTICLE_REMOVED, NEAR_MISS, Example, Prediction
from mlrag.languages import language
from mlrag.models.variants import CustomVariant

ENOUGH = 0.8  # of the rows that the best asked candidate has in a language; fewer are not compared
_MAY_DIFFER = {"langs", "limit", "corpus_and_questions", "index_commits", "data", "suite", "own_variants"}


@dataclass(frozen=True, slots=True)
class ReplyScore:
    """The score of one reply, in [0, 1]. `kind`: "answer", or why the question is unanswerable."""

    cluster: str
    kind: str
    value: float


@dataclass(frozen=True, slots=True)
class CandidateResults:
    """One candidate's rows by language. Seconds and tokens (in, out) are per question; None where unknown."""

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

    def compute_metric(self, name: str) -> MetricValue:
        """Return the mean over its languages of a metric of eval.results.scores."""
        return compute_rate({lang: rows.get(name, []) for lang, rows in self.rows.items()})


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """Everything that was measured, by name of the candidate. `warnings`: how the runs differ."""

    measured: Mapping[str, CandidateResults]
    runs: tuple[str, ...]
    warnings: tuple[str, ...]


NOTHING = RunEvidence({}, (), ())
_Rows = dict[str, tuple[Example, Prediction]]  # by example id


def read_evidence(
    folders: Sequence[Path],
    langs: Iterable[str],
    own: Mapping[str, CustomVariant],
    tick: Callable[[str], None] = lambda _: None,
) -> RunEvidence:
    """Score every variant of these runs in these languages; the later run's row of a question counts.

    Rows of a closed book are left out. `tick` gets the name of each variant before it is scored.
    """
    rows: dict[str, dict[str, _Rows]] = {}
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
                rows.setdefault(name, {}).setdefault(lang, {}).update((e.id, (e, p)) for e, p in pairs)
    measured = {}
    for name, by_lang in rows.items():
        tick(name)
        measured[name] = _score(names[name], by_lang)
    return RunEvidence(measured, tuple(p.name for p in plans), _warnings([p.signature for p in plans]))


def _score(one: Candidate, by_lang: Mapping[str, _Rows]) -> CandidateResults:
    outcomes, rows, failed = {}, {}, {}
    answered = [p for pairs in by_lang.values() for _, p in pairs.values() if not p.error]
    for lang, pairs in by_lang.items():
        examples, predictions = [e for e, _ in pairs.values()], [p for _, p in pairs.values()]
        values = score_rows(examples, predictions, language(lang))
        rows[lang] = group_by_metric(examples, values)
        failed[lang] = sum(bool(p.error) for p in predictions)
        scored = ((e, _score_reply(e, v)) for e, v in zip(examples, values, strict=True))
        outcomes[lang] = {e.id: o for e, o in scored if o}
    seconds, counted = [p.seconds for p in answered], count_tokens(answered)
    tokens = (counted.prompt_tokens or 0.0, counted.output_tokens) if counted.output_tokens is not None else None
    return CandidateResults(
        candidate=one,
        models=tuple(sorted({p.model for p in answered if p.model})),
        outcomes=outcomes,
        rows=rows,
        failed=failed,
        seconds=float(np.mean(seconds)) if seconds else None,
        p95=float(np.quantile(seconds, 0.95)) if seconds else None,
        tokens=tokens,
    )


def _score_reply(example: Example, values: Mapping[str, float] | None) -> ReplyScore | None:
    """Return the answer score, or the abstention on an unanswerable question (eval/metrics/summary.py)."""
    for name, value in (values or {}).items():
        if name == ANSWER or name.startswith(ABSTENTION):
            return ReplyScore(
                example.cluster or example.id, name.removeprefix(ABSTENTION).replace(ANSWER, "answer"), value
            )
    return None


def _warnings(signatures: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    keys = {key for s in signatures for key in s} - _MAY_DIFFER
    differing = sorted(k for k in keys if len({str(s.get(k)) for s in signatures}) > 1)
    if not differing:
        return ()
    return (f"the runs differ in {', '.join(differing)}: their variants were not measured under equal conditions",)


@dataclass(frozen=True, slots=True)
class CandidateComparison:
    """Candidates on the same rows.

    Args:
        table: None where no candidate is left.
        strata: (language, kind of question) of each stratum of the table.
        left_out: by candidate, the reason why it is not in the table.
    """

    table: Table | None
    strata: tuple[tuple[str, str], ...]
    left_out: Mapping[str, str]

    @property
    def n(self) -> int:
        return 0 if self.table is None else self.table.values.shape[1]

    def count_questions(self, rows: Mapping[int, int]) -> dict[str, int]:
        """Convert rows by stratum to questions by language.

        An answerable question gives two rows: its own, and an unanswerable one with its document hidden.
        """
        by_kind: dict[str, dict[str, int]] = {}
        for stratum, (lang, kind) in enumerate(self.strata):
            by_kind.setdefault(lang, {})[kind] = rows.get(stratum, 0)
        questions = {}
        for lang, n in by_kind.items():
            questions[lang] = max(n.get("answer", 0), n.get(ARTICLE_REMOVED, 0)) + n.get(NEAR_MISS, 0)
        return questions


@dataclass(frozen=True, slots=True)
class _Stratum:
    lang: str
    kind: str
    weight: float
    ids: list[str]


def compare(
    results: Mapping[str, CandidateResults], weights: Mapping[str, float], answerable: float
) -> CandidateComparison:
    """Collect the rows that all candidates have; one with too few rows in a language is left out.

    Args:
        weights: of the languages.
        answerable: weight of the answerable questions in each language; the other kinds share the rest equally.
    """
    left_out = _find_incomplete(results, weights)
    kept = {name: r for name, r in results.items() if name not in left_out}
    strata: list[_Stratum] = []
    for lang, weight in weights.items() if kept else ():
        shared = set.intersection(*(set(r.outcomes[lang]) for r in kept.values()))
        first = next(iter(kept.values())).outcomes[lang]
        by_kind: dict[str, list[str]] = {}
        for example in sorted(shared):
            by_kind.setdefault(first[example].kind, []).append(example)
        for kind, ids in sorted(by_kind.items()):
            strata.append(_Stratum(lang, kind, weight * _weigh_kind(kind, by_kind, answerable), ids))
    if not strata or len({s.lang for s in strata}) < len(weights):
        return CandidateComparison(None, (), left_out)
    return CandidateComparison(_make_table(kept, strata), tuple((s.lang, s.kind) for s in strata), left_out)


def _find_incomplete(results: Mapping[str, CandidateResults], weights: Mapping[str, float]) -> dict[str, str]:
    left_out = {}
    for lang in weights:
        rows = {name: len(r.outcomes.get(lang, {})) for name, r in results.items()}
        most = max(rows.values(), default=0)
        for name, n in rows.items():
            if n < max(1, ENOUGH * most):
                left_out[name] = f"{n} of {most} rows in {lang}" if most else f"no rows in {lang}"
    return left_out


def _weigh_kind(kind: str, kinds: Mapping[str, Sequence[str]], answerable: float) -> float:
    others = len(kinds) - ("answer" in kinds)
    if "answer" not in kinds or not others:
        return 1 / len(kinds)
    return answerable if kind == "answer" else (1 - answerable) / others


def _make_table(results: Mapping[str, CandidateResults], strata: Sequence[_Stratum]) -> Table:
    rows = [(number, s.lang, id) for number, s in enumerate(strata) for id in s.ids]
    values = [[r.outcomes[lang][id].value for _, lang, id in rows] for r in results.values()]
    first = next(iter(results.values())).outcomes
    _, clusters = np.unique([first[lang][id].cluster for _, lang, id in rows], return_inverse=True)
    return Table(
        tuple(results),
        np.array(values, float),
        np.array([number for number, _, _ in rows], np.intp),
        clusters.astype(np.intp),
        np.array([s.weight for s in strata], float),
    )
