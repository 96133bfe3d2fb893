"""Read the rows of a run that can be judged: answerable, with references, not failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.judge.items import JudgeItem
from eval.runner.plan import read_plan
from eval.runner.rows import RowStore
from eval.types import Example, Prediction
from mlrag.errors import CorpusFormatError
from mlrag.languages import language


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer of a variant, with its question."""

    example: Example
    prediction: Prediction

    @property
    def item(self) -> JudgeItem:
        e, p = self.example, self.prediction
        return JudgeItem(e.id, e.lang, e.question, p.text, e.answers, p.passages, e.cluster or e.id)


@dataclass(frozen=True, slots=True)
class VariantAnswers:
    """One variant's rows in one language."""

    variant: str
    lang: str
    rows: tuple[AnswerRow, ...]


def read_answers(folder: Path, langs: Collection[str] | None = None) -> list[VariantAnswers]:
    """Read the answers of every variant and language of a run.

    Raises:
        CorpusFormatError: the folder is not that of a run, or it holds no row of an answerable question.
    """
    for code in langs or ():
        language(code)
    plan, run = read_plan(folder), RowStore(folder)
    parts = [
        VariantAnswers(variant, lang, _rows(run, variant, lang, examples))
        for variant in sorted(run.variants())
        for lang, examples in plan.examples_for(variant).items()
        if not langs or lang in langs
    ]
    kept = [p for p in parts if p.rows]
    if not kept:
        raise CorpusFormatError(f"no row of {folder} belongs to an answerable question", "let the run finish first")
    return kept


def _rows(run: RowStore, variant: str, lang: str, examples: Sequence[Example]) -> tuple[AnswerRow, ...]:
    done = run.rows(variant, lang)
    asked = (e for e in examples if e.answerable and e.answers)
    return tuple(AnswerRow(e, done[e.id]) for e in asked if e.id in done and not done[e.id].error)
