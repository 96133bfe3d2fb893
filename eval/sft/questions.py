"""Read questions that a person brings, in the bench's own format or that of a plain folder of questions."""

from __future__ import annotations

from pathlib import Path

from eval.datasets.base import SourceRow
from eval.datasets.rows import SUFFIXES, first_row, read_rows
from eval.sft.records import Draft
from eval.types import NEAR_MISS, Example
from mlrag.errors import CorpusFormatError
from mlrag.languages import language
from mlrag.text.normalize import clean


def is_question_file(path: Path) -> bool:
    """Tell whether the path is a file of questions whose rows name their documents by id."""
    if not path.is_file() or not path.name.endswith(SUFFIXES):
        return False
    row = first_row(path)
    return row is not None and "question" in row and ("qid" in row or "id" in row) and "context" not in row


def read_questions(path: Path, lang: str) -> list[Draft]:
    """Read the questions of a JSON lines file.

    A row is {"id", "question", "answerable", "answers", "gold_docs"}, as in eval/data/questions, or {"qid", "lang",
    "question", "answers", "gold_pids"}; "reply" is the answer as a sentence, where there is one.

    Args:
        lang: the language of rows that name none.

    Raises:
        CorpusFormatError: with the row at fault.
    """
    if not path.is_file():
        raise CorpusFormatError(f"{path} is not there", "give a JSON lines file of questions")
    return [_draft(row, lang) for row in read_rows(path)]


def _draft(row: SourceRow, lang: str) -> Draft:
    answerable = bool(row.values.get("answerable", True))
    gold = tuple(str(d) for d in row.values.get("gold_docs") or row.values.get("gold_pids") or ())
    answers = (*row.values.get("answers", ()), *row.values.get("accepted", ()))
    if answerable and not answers and not row.values.get("reply"):
        raise row.fault("lacks 'answers'")
    example = Example(
        id=row.text("qid" if "qid" in row else "id"),
        lang=language(str(row.values.get("lang") or lang)).code,
        question=row.text("question"),
        answerable=answerable,
        answers=tuple(clean(str(a)) for a in answers),
        gold_docs=gold,
        kind="fact" if answerable else NEAR_MISS,
    )
    return Draft(example, clean(str(row.values.get("reply") or "")).strip())
