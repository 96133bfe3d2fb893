"""TruthfulQA as multiple choice by letter, its options shuffled: never to be compared with published MC1."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from eval.datasets.base import Card, DatasetItem, Format, SourceRow
from eval.types import Example
from mlrag.text.normalize import clean

CARD = Card(
    "TruthfulQA, letter-MC1 (not the published MC1, which scores whole options: never compare them)",
    "Apache-2.0",
    "github.com/sylinrl/TruthfulQA; hub: truthfulqa/truthful_qa, multiple_choice",
    "public since 2021, answers included, and trained against on purpose: count on models having seen it",
    ("en",),
)


def read(rows: Iterable[SourceRow], lang: str) -> Iterator[DatasetItem]:
    """One item a question of the CSV file. The first option is always right there, so a seed of the row shuffles."""
    for row in rows:
        wrong = [clean(t).strip() for t in row.text("Incorrect Answers").split(";")]
        yield _item(row, lang, row.text("Question"), row.text("Best Answer"), [w for w in wrong if w])


def read_hub(rows: Iterable[SourceRow], lang: str) -> Iterator[DatasetItem]:
    """The hub's form: mc1_targets with choices and labels, one of which is 1."""
    for row in rows:
        targets: Any = row.need("mc1_targets", dict)
        choices, labels = targets.get("choices"), targets.get("labels")
        if not isinstance(choices, list) or not isinstance(labels, list) or len(choices) != len(labels):
            raise row.fault("has mc1_targets without as many labels as choices")
        if sum(label == 1 for label in labels) != 1:
            raise row.fault("has mc1_targets with more or fewer than one right choice")
        texts = [clean(str(c)).strip() for c in choices]
        right = texts.pop(labels.index(1))
        yield _item(row, lang, row.text("question"), right, texts)


def _item(row: SourceRow, lang: str, question: str, right: str, wrong: list[str]) -> DatasetItem:
    if not wrong:
        raise row.fault("has no wrong option")
    options = [right, *wrong]
    random.Random(f"truthfulqa {row.number}").shuffle(options)
    id = f"truthfulqa-{row.number}"
    gold = options.index(right)
    example = Example(id, lang or "en", question, True, (right,), cluster=id, options=tuple(options), gold_option=gold)
    return DatasetItem(example)


FORMAT = Format(CARD, frozenset({"Question", "Best Answer", "Incorrect Answers"}), read)
HUB_FORMAT = Format(CARD, frozenset({"question", "mc1_targets"}), read_hub)
