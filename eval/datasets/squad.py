"""SQuAD 1.1 and 2.0, nested or as the hub has it: XQuAD, MLQA, TyDi QA GoldP and everything else in its form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import regex

from eval.datasets.base import Card, DatasetItem, Format, SourceRow, passage
from eval.datasets.codes import pack_code
from eval.types import NEAR_MISS, Example
from mlrag.text.normalize import clean

CARD = Card(
    "SQuAD form (SQuAD, XQuAD, MLQA, TyDi QA GoldP)",
    "SQuAD, XQuAD: CC BY-SA 4.0; MLQA: CC BY-SA 3.0; TyDi QA: Apache-2.0, its passages CC BY-SA 3.0",
    "rajpurkar.github.io/SQuAD-explorer, github.com/google-deepmind/xquad, github.com/facebookresearch/MLQA, "
    "github.com/google-research-datasets/tydiqa",
    "public since 2016 to 2020, answers included, over Wikipedia: count on models having seen it",
    ("ar", "bn", "de", "en", "es", "hi", "ko", "sw", "tr", "zh"),
)
_NO_PACK = ("finnish", "indonesian", "russian", "telugu")  # TyDi's ids begin with the language: "swahili-12-0"
_CROSSED = regex.compile(r"context-([a-z]+)-question-([a-z]+)")


def read(rows: Iterable[SourceRow], lang: str) -> Iterator[DatasetItem]:
    """One item a question. An impossible one, or one without an answer, is a near miss: its passage does not say.

    The cluster is the id of the paragraph's first question: XQuAD's ids are the same in every language.
    """
    first_of: dict[str, str] = {}
    for row in rows:
        _refuse_crossed(row)
        id = row.text("id")
        prefix = id.split("-")[0]
        if prefix in _NO_PACK:
            continue
        code = pack_code(prefix) or lang
        if not code:
            raise row.fault("has no language: name the file after it (xquad.ta.json), or give --langs with one")
        document = passage(code, row.text("context"), str(row.values.get("title") or ""), source=row.path.name)
        answers = () if row.values.get("is_impossible") else _answers(row)
        yield DatasetItem(
            Example(
                id=id,
                lang=code,
                question=row.text("question"),
                answerable=bool(answers),
                answers=answers,
                gold_docs=(document.id,) if answers else (),
                kind="fact" if answers else NEAR_MISS,
                cluster=first_of.setdefault(document.id, id),
            ),
            (document,),
        )


def _refuse_crossed(row: SourceRow) -> None:
    crossed = _CROSSED.search(row.path.name)
    if crossed and crossed[1] != crossed[2]:
        raise row.fault(
            f"asks in {crossed[2]} of passages in {crossed[1]}: take the files with one language, "
            f"like test-context-{crossed[2]}-question-{crossed[2]}.json"
        )


def _answers(row: SourceRow) -> tuple[str, ...]:
    """Distinct answer texts, from [{"text"}] (files) or {"text": […]} (the hub)."""
    found: Any = row.need("answers", (list, dict))
    texts: Any = found.get("text") if isinstance(found, dict) else [_text(answer) for answer in found]
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise row.fault("has answers without 'text'")
    return tuple(dict.fromkeys(t for t in (clean(t).strip() for t in texts) if t))


def _text(answer: Any) -> Any:
    return answer.get("text") if isinstance(answer, dict) else None


FORMAT = Format(CARD, frozenset({"id", "context", "question", "answers"}), read)
