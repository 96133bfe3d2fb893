"""RAGChecker's six generator figures of a run, where a judge is admitted; the reason where there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.judge.claim_exam import ClaimExam, examine_claims
from eval.judge.claim_metrics import compute_claim_metrics
from eval.judge.claims import AnswerClaims, ClaimJudge, judge_claims
from eval.judge.items import JudgeItem
from eval.judge.judge import Judge
from eval.judge.rows import VariantAnswers
from eval.metrics.outcome import Outcome, outcome
from eval.metrics.selective import ClusteredValue
from eval.results.metric_value import MetricValue, macro_metric
from eval.runner.jsonl_log import file_name
from mlrag.languages import language
from mlrag.settings import Settings

CLAIMS: Mapping[str, str] = {  # figure -> the field of ClaimMetrics
    "claims:faithfulness": "faithfulness",
    "claims:hallucination": "hallucination",
    "claims:noise_relevant": "noise_relevant",
    "claims:noise_irrelevant": "noise_irrelevant",
    "claims:context_utilization": "context_utilization",
    "claims:self_knowledge": "self_knowledge",
}


@dataclass(frozen=True, slots=True)
class ClaimColumn:
    """One variant in one language. `values`: by figure, the rows that it counts, in [0, 1].

    `n` answers were read, `unscored` could not be, the first of them for the reason `unread`; they are in no figure.
    `exam`: of claims, in this language; `why`: the reason where no claim of the run was judged.
    """

    variant: str
    lang: str
    values: Mapping[str, Sequence[ClusteredValue]]
    n: int
    unscored: int
    unread: str
    exam: ClaimExam | None
    why: str


def make_claim_columns(
    judge: Judge,
    parts: Sequence[tuple[VariantAnswers, str]],
    folder: Path,
    settings: Settings,
    tick: Callable[[], object],
) -> list[ClaimColumn]:
    """A column for each part of a run, given with the reason why the judge gets no cells there, or "".

    Where there is none, the judge sits the exam of claims, and judges the run's claims if that admits it. Replies lie
    in `folder`/judged, one file a language: all variants share the claims of a reference. Raises
    GeneratorUnavailableError.
    """
    judged = folder / "judged"
    names = {p.lang: f"{file_name(judge.name)}.claims.{p.lang}.jsonl" for p, why in parts if not why}
    replies = {lang: ClaimJudge(judge, judged / name) for lang, name in names.items()}
    at_once, sat = settings.concurrency, settings.data_dir / "judges"
    exams = {lang: examine_claims(judge, lang, settings.corpora, sat, tick, at_once) for lang in names}
    columns = []
    for part, barred in parts:
        exam = exams.get(part.lang)
        why = barred or (exam.why if exam else "")
        claimed = [] if why else judge_claims(replies[part.lang], _items(part), tick, at_once)
        columns.append(_column(part, claimed, exam, why))
    return columns


def _items(part: VariantAnswers) -> list[tuple[JudgeItem, bool]]:
    """Each answer, and whether it says nothing: an abstention or a reply that cannot be read has no claims."""
    lang = language(part.lang)
    return [(row.item, outcome(row.prediction, lang) is not Outcome.ANSWERED) for row in part.rows]


def _column(part: VariantAnswers, claimed: Sequence[AnswerClaims], exam: ClaimExam | None, why: str) -> ClaimColumn:
    read = [(c.item.cluster, compute_claim_metrics(c.verdicts)) for c in claimed if c.verdicts is not None]
    values = {
        name: [(cluster, value) for cluster, f in read if (value := getattr(f, field)) is not None]
        for name, field in CLAIMS.items()
    }
    unread = next((c.why for c in claimed if c.verdicts is None), "")
    return ClaimColumn(part.variant, part.lang, values, len(read), len(claimed) - len(read), unread, exam, why)


def mean_claim_metrics(columns: Sequence[ClaimColumn], variant: str, langs: Sequence[str]) -> dict[str, MetricValue]:
    """The six of a variant over some languages, each counting alike; none where no claim was judged."""
    there = [c for c in columns if c.variant == variant and c.lang in langs]
    rows = {name: {c.lang: c.values[name] for c in there if c.values[name]} for name in CLAIMS}
    return {name: macro_metric(by_language) for name, by_language in rows.items() if by_language}
