"""RAGChecker's six generator metrics of a run, where the exams admit the judge; else the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.judge.claim_exam import ClaimExam, examine_claims
from eval.judge.claim_metrics import compute_claim_metrics
from eval.judge.claims import AnswerClaims, ClaimJudge, judge_claims
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
    """The claim metrics of one variant in one language.

    Args:
        values: by metric, the rows that it counts, in [0, 1].
        n: answers whose verdicts are readable.
        unscored: answers without readable verdicts; they are in no metric.
        unread: the reason of the first of those.
        exam: the exam of claims in this language.
        why: the reason where no claim was judged, else "".
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
    """Return a column for each variant and language, judging claims where the exam of claims admits the judge.

    Replies are stored in `folder`/judged, one file per language: all variants share the claims of a reference.

    Args:
        parts: answers, each with the reason why they are not judged, or "".

    Raises:
        GeneratorUnavailableError: the judge cannot be reached.
    """
    judged = folder / "judged"
    names = {p.lang: f"{file_name(judge.name)}.claims.{p.lang}.jsonl" for p, why in parts if not why}
    replies = {lang: ClaimJudge(judge, judged / name) for lang, name in names.items()}
    concurrency, exam_folder = settings.concurrency, settings.data_dir / "judges"
    exams = {lang: examine_claims(judge, lang, settings.corpora, exam_folder, tick, concurrency) for lang in names}
    columns = []
    for part, barred in parts:
        exam = exams.get(part.lang)
        why = barred or (exam.why if exam else "")
        claims: list[AnswerClaims] = []
        if not why:
            pack = language(part.lang)  # an abstention or an unreadable reply has no claims
            items = [(row.item, outcome(row.prediction, pack) is not Outcome.ANSWERED) for row in part.rows]
            claims = judge_claims(replies[part.lang], items, tick, concurrency)
        columns.append(_column(part, claims, exam, why))
    return columns


def _column(part: VariantAnswers, claims: Sequence[AnswerClaims], exam: ClaimExam | None, why: str) -> ClaimColumn:
    metrics = [(c.item.cluster, compute_claim_metrics(c.verdicts)) for c in claims if c.verdicts is not None]
    values = {
        name: [(cluster, value) for cluster, m in metrics if (value := getattr(m, field)) is not None]
        for name, field in CLAIMS.items()
    }
    unread = next((c.why for c in claims if c.verdicts is None), "")
    return ClaimColumn(part.variant, part.lang, values, len(metrics), len(claims) - len(metrics), unread, exam, why)


def mean_claim_metrics(columns: Sequence[ClaimColumn], variant: str, langs: Sequence[str]) -> dict[str, MetricValue]:
    """Return the six metrics of a variant as means over languages; empty where no claim was judged."""
    selected = [c for c in columns if c.variant == variant and c.lang in langs]
    rows = {name: {c.lang: c.values[name] for c in selected if c.values[name]} for name in CLAIMS}
    return {name: macro_metric(by_language) for name, by_language in rows.items() if by_language}
