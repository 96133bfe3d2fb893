"""Global-MMLU and its Lite: MMLU's questions, translated; the language is the file's or its folder's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eval.datasets.base import Card, DatasetItem, Format, SourceRow
from eval.types import Example

CARD = Card(
    "Global-MMLU",
    "Apache-2.0 (MMLU: MIT)",
    "hub: CohereLabs/Global-MMLU, CohereLabs/Global-MMLU-Lite",
    "MMLU is public since 2020, the translations since 2024, answers included: count on models having seen it. "
    "Rows labelled CS ask about a culture, mostly a Western one; the translations are partly by machine",
    ("ar", "bn", "de", "en", "es", "fr", "hi", "ja", "ko", "ne", "pt", "si", "sw", "tr", "zh"),
)
LETTERS = "ABCD"


def read(rows: Iterable[SourceRow], lang: str) -> Iterator[DatasetItem]:
    """One item a question; the cluster is the question, which all languages share."""
    for row in rows:
        if not lang:
            raise row.fault("has no language: name the file or its folder after it (si/test.jsonl), or give --langs")
        right = row.text("answer").upper()
        if len(right) != 1 or right not in LETTERS:
            raise row.fault(f"has the answer {right!r}, not A to D")
        options, gold = tuple(row.text(f"option_{letter}") for letter in "abcd"), LETTERS.index(right)
        id = row.text("sample_id")
        yield DatasetItem(
            Example(
                id=id,
                lang=lang,
                question=row.text("question"),
                answerable=True,
                answers=(options[gold],),
                cluster=id,
                options=options,
                gold_option=gold,
            )
        )


FORMAT = Format(CARD, frozenset({"sample_id", "question", "option_a", "option_d", "answer"}), read)
