"""Belebele: 900 questions with four options on FLORES passages, parallel in 122 languages (all our 16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eval.datasets.base import Card, DatasetItem, Format, SourceRow, passage
from eval.datasets.codes import FLORES, pack_code
from eval.types import Example

CARD = Card(
    "Belebele",
    "CC BY-SA 4.0",
    "github.com/facebookresearch/belebele; hub: facebook/belebele",
    "public since 2023, answers included; its passages (FLORES-200) since 2022: count on models having seen it",
    tuple(sorted(FLORES.values())),
)


def read(rows: Iterable[SourceRow], _lang: str) -> Iterator[DatasetItem]:
    """One item a question; `answers` is the right option's text. Its cluster is the passage, shared by languages."""
    for row in rows:
        code = pack_code(row.text("dialect"))
        if not code:
            continue
        document = passage(code, row.text("flores_passage"), source=row.path.name)
        options = tuple(row.text(f"mc_answer{n}") for n in range(1, 5))
        right = row.text("correct_answer_num")
        if right not in ("1", "2", "3", "4"):
            raise row.fault(f"has correct_answer_num {right!r}, not 1 to 4")
        gold = int(right) - 1
        link = row.text("link")
        example = Example(
            id=f"{link}#{row.text('question_number')}",
            lang=code,
            question=row.text("question"),
            answerable=True,
            answers=(options[gold],),
            gold_docs=(document.id,),
            cluster=link,
            options=options,
            gold_option=gold,
        )
        yield DatasetItem(example, (document,))


FORMAT = Format(CARD, frozenset({"flores_passage", "mc_answer1", "correct_answer_num", "dialect"}), read)
