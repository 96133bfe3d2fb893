"""MKQA: 10,000 questions in 26 languages, ten of them ours, without passages: closed book only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from eval.datasets.base import Card, DatasetItem, Format, SourceRow
from eval.datasets.codes import pack_code
from eval.types import Example
from mlrag.text.normalize import clean

CARD = Card(
    "MKQA",
    "CC BY-SA 3.0 (its card on the hub: CC BY 3.0)",
    "github.com/apple/ml-mkqa; hub: apple/mkqa",
    "public since 2020, answers included; its English questions (Natural Questions) since 2019: count on models "
    "having seen it",
    ("ar", "de", "en", "es", "fr", "ja", "ko", "pt", "tr", "zh"),
)
# without a short text that an answer could contain; the hub has the kinds as numbers
_UNSCORED = ("unanswerable", "long_answer", "binary", 2, 1, 7)


def read(rows: Iterable[SourceRow], _lang: str) -> Iterator[DatasetItem]:
    """One item a question and language, parallel over languages. Questions without a short answer are left out."""
    for row in rows:
        id, answers = row.text("example_id"), row.need("answers", dict)
        for name, question in row.need("queries", dict).items():
            code = pack_code(name)
            if not code or not question or name not in answers:
                continue
            texts = _texts(answers[name], row)
            if texts:
                yield DatasetItem(Example(id, code, clean(question).strip(), True, texts, cluster=id))


def _texts(found: Any, row: SourceRow) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(a, dict) for a in found):
        raise row.fault("has answers that are not a list of objects")
    scored = [a for a in found if a.get("type") not in _UNSCORED and a.get("text")]
    texts = [t for a in scored for t in (a["text"], *(a.get("aliases") or ()))]
    return tuple(dict.fromkeys(clean(str(t)).strip() for t in texts))


FORMAT = Format(CARD, frozenset({"queries", "answers", "example_id"}), read)
