"""INCLUDE: questions of local exams, written in each language, so not parallel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from eval.datasets.base import Card, DatasetItem, Format, SourceRow
from eval.datasets.codes import pack_code
from eval.types import Example
from mlrag.text.normalize import clean

CARD = Card(
    "INCLUDE",
    "Apache-2.0",
    "hub: CohereLabs/include-base-44, CohereLabs/include-lite-44",
    "public since 2024, answers included; the exams themselves are older and on the web: count on models having "
    "seen some",
    ("ar", "bn", "de", "es", "fr", "hi", "ja", "ko", "ne", "pt", "ta", "tr", "zh"),
)


def read(rows: Iterable[SourceRow], _lang: str) -> Iterator[DatasetItem]:
    """One item a question. `answer` is the option's place from 0; options are a list or option_a to option_d."""
    for row in rows:
        code = pack_code(row.text("language"))
        if not code:
            continue
        options, place = _options(row), row.text("answer")
        if not place.isdecimal() or int(place) >= len(options):
            raise row.fault(f"has the answer {place!r}, not 0 to {len(options) - 1}")
        gold, question = int(place), row.text("question")
        digest = hashlib.sha256("\0".join((question, *options)).encode()).hexdigest()[:12]
        id = f"include-{code}-{digest}"
        yield DatasetItem(
            Example(id, code, question, True, (options[gold],), cluster=id, options=options, gold_option=gold)
        )


def _options(row: SourceRow) -> tuple[str, ...]:
    if "choices" not in row:
        return tuple(row.text(f"option_{letter}") for letter in "abcd")
    options = tuple(clean(str(c)).strip() for c in row.need("choices", list))
    if len(options) < 2 or not all(options):
        raise row.fault("has fewer than two choices, or an empty one")
    return options


FORMAT = Format(CARD, frozenset({"language", "country", "regional_feature", "question", "answer"}), read)
