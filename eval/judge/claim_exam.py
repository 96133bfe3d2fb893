"""The judge's exam of claims: sentences of known truth against the documents they were made from, one a language.

Entailed: the sentence of the document that answers a calibration question. Not entailed: the same with a digit or a
name changed, and the sentence that answers another question, of another document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eval.judge.claims import ClaimJudge, UnreadableReplyError
from eval.judge.exam import BAR, ExamItem, compute_youden, make_exam, mean_rate
from eval.judge.judge import Judge
from eval.runner.jsonl_log import at_once, file_name
from eval.statistics import Estimate
from mlrag.errors import GeneratorBusyError, GeneratorError, GeneratorUnavailableError

ENTAILED = "gold_sentence"
NOT_ENTAILED = ("swapped_sentence", "other_answer")


@dataclass(frozen=True, slots=True)
class ClaimExam:
    """`sensitivity`: share of the entailed claims called so; `specificity`: share of the others not called so.

    `youden`: their sum less 1. `unscored` claims are mistakes in all. `why`: why it is not admitted, "" where it is.
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
    """Sit the exam, or read what was said before: replies lie in `folder` by judge.

    Raises CorpusFormatError where there is none, GeneratorUnavailableError where the judge cannot be reached.
    """
    replies = ClaimJudge(judge, folder / file_name(judge.name) / f"claims.{lang}.jsonl")

    def ask(tasks: list[ExamItem]) -> list[bool] | None:
        item = tasks[0].item
        try:
            return replies.check(item, "Passage", "\n\n".join(item.passages), [t.item.answer for t in tasks])
        except (GeneratorError, UnreadableReplyError) as error:
            if isinstance(error, GeneratorUnavailableError) and not isinstance(error, GeneratorBusyError):
                raise
            return None
        finally:
            tick()

    asked = list(claim_tasks(make_exam(lang, corpora)))
    said = at_once(ask, asked, concurrency, judge.name)
    rows = [(t, v) for tasks, found in zip(asked, said, strict=True) for t, v in _verdicts(tasks, found)]
    return _score(lang, rows)


def claim_tasks(tasks: list[ExamItem]) -> Iterator[list[ExamItem]]:
    """The exam's claims by question: a task's answer is the claim, its passages are what it is held against."""
    for cluster in dict.fromkeys(t.item.cluster for t in tasks):
        yield [t for t in tasks if t.item.cluster == cluster and t.kind in (ENTAILED, *NOT_ENTAILED)]


def _verdicts(tasks: list[ExamItem], found: list[bool] | None) -> list[tuple[ExamItem, bool | None]]:
    return [(task, found[place] if found else None) for place, task in enumerate(tasks)]


def _score(lang: str, rows: list[tuple[ExamItem, bool | None]]) -> ClaimExam:
    sensitivity = mean_rate([(t.item.cluster, float(v is True)) for t, v in rows if t.kind == ENTAILED])
    specificity = mean_rate([(t.item.cluster, float(v is False)) for t, v in rows if t.kind != ENTAILED])
    youden = compute_youden(sensitivity, specificity)
    low = youden.interval.low
    why = (
        "" if low >= BAR else f"of claims its sensitivity + specificity - 1 may be as low as {low:.2f} (bar {BAR:.2f})"
    )
    return ClaimExam(lang, sensitivity, specificity, youden, sum(v is None for _, v in rows), why)
