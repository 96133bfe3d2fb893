"""The judge's exam of claims: sentences of known truth against the documents they were made from, one a language.

Entailed: the sentence of the document that answers a calibration question. Not entailed: the same with a digit or a
name changed, and the sentence that answers another question, of another document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eval.judge.claims import ClaimJudge, UnreadableReplyError
from eval.judge.correction import mean_rate
from eval.judge.exam import BAR, ExamItem, compute_youden, make_exam
from eval.judge.judge import Judge, raise_if_unavailable
from eval.runner.jsonl_log import at_once, file_name
from eval.statistics import Estimate
from mlrag.errors import GeneratorError

ENTAILED = "gold_sentence"
NOT_ENTAILED = ("swapped_sentence", "other_answer")


@dataclass(frozen=True, slots=True)
class ClaimExam:
    """The result of the exam of claims.

    Args:
        sensitivity: proportion of the entailed claims that the judge calls so.
        specificity: proportion of the others that it does not call so.
        youden: their sum - 1.
        unscored: claims without a readable verdict; each counts as a mistake.
        why: the reason why the judge is not admitted; "" where it is.
    """

    lang: str
    sensitivity: Estimate
    specificity: Estimate
    youden: Estimate
    unscored: int
    why: str


def examine_claims(
    judge: Judge, lang: str, corpora: Path, folder: Path, tick: Callable[[], object], concurrency: int
) -> ClaimExam:
    """Run the exam of claims of one language; replies stored in `folder` are not asked for again.

    Raises:
        CorpusFormatError: the language has no exam.
        GeneratorUnavailableError: the judge cannot be reached.
    """
    replies = ClaimJudge(judge, folder / file_name(judge.name) / f"claims.{lang}.jsonl")

    def ask(tasks: list[ExamItem]) -> list[bool] | None:
        item = tasks[0].item
        try:
            return replies.check(item, "Passage", "\n\n".join(item.passages), [t.item.answer for t in tasks])
        except (GeneratorError, UnreadableReplyError) as error:
            raise_if_unavailable(error)
            return None
        finally:
            tick()

    questions = list(claim_tasks(make_exam(lang, corpora)))
    verdicts = at_once(ask, questions, concurrency, judge.name)
    rows: list[tuple[ExamItem, bool | None]] = []
    for tasks, question_verdicts in zip(questions, verdicts, strict=True):
        unread: list[bool | None] = [None] * len(tasks)
        rows += zip(tasks, question_verdicts or unread, strict=True)
    return _score(lang, rows)


def claim_tasks(tasks: list[ExamItem]) -> Iterator[list[ExamItem]]:
    """Yield the claims of each question: an item's answer is the claim, which is checked against its passages."""
    for cluster in dict.fromkeys(t.item.cluster for t in tasks):
        yield [t for t in tasks if t.item.cluster == cluster and t.kind in (ENTAILED, *NOT_ENTAILED)]


def _score(lang: str, rows: list[tuple[ExamItem, bool | None]]) -> ClaimExam:
    sensitivity = mean_rate([(t.item.cluster, float(v is True)) for t, v in rows if t.kind == ENTAILED])
    specificity = mean_rate([(t.item.cluster, float(v is False)) for t, v in rows if t.kind != ENTAILED])
    youden = compute_youden(sensitivity, specificity)
    low = youden.interval.low
    why = (
        "" if low >= BAR else f"of claims its sensitivity + specificity - 1 may be as low as {low:.2f} (bar {BAR:.2f})"
    )
    return ClaimExam(lang, sensitivity, specificity, youden, sum(v is None for _, v in rows), why)
