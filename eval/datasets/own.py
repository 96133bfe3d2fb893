"""Our own questions, and how questions are drawn and made unanswerable.

Kinds of the unanswerable: `near_miss` (the corpus speaks of the topic but does not say) and `article_removed`
(an answerable question whose gold documents are hidden). They are reported apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.types import ARTICLE_REMOVED, Example
from mlrag.errors import CorpusFormatError
from mlrag.text.normalize import clean

QUESTIONS = Path(__file__).parents[1] / "data" / "questions"
CALIBRATION_TOPICS = frozenset({"ors", "monsoon", "suez", "printing", "mpesa", "cricket_1996"})


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON lines file. Raises CorpusFormatError naming the line that is not one."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise CorpusFormatError(f"{path}:{number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise CorpusFormatError(f"{path}:{number} is not a JSON object")
            yield row


def own_questions(lang: str, split: str = "test") -> list[Example]:
    """Our questions of one language: "test" (18 topics) or "calibration" (the other 6, never scored)."""
    path = QUESTIONS / f"{lang}.jsonl"
    if not path.is_file():
        raise CorpusFormatError(f"there are no questions of our own in {lang!r}", f"write {path}, or give --data")
    wanted = [_own(row, lang) for row in read_jsonl(path)]
    return [e for e in wanted if (e.cluster in CALIBRATION_TOPICS) == (split == "calibration")]


def sample_examples(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """At most `limit` of them, in their order: spread over the set, as many unanswerable ones in proportion as it has.

    By a hash of their ids without the language, so that they are always the same, of a parallel set the same in every
    language, and with a higher limit the same and more. A set's first questions come from few documents, and may all
    be answerable.
    """
    if limit is None or limit >= len(examples):
        return list(examples)
    answerable, others = ([e for e in examples if e.answerable is kind] for kind in (True, False))
    share = round(limit * len(answerable) / len(examples))
    kept = min(max(share, bool(answerable)), limit - bool(others) if limit > 1 else limit)
    chosen = {e.id for part, n in ((answerable, kept), (others, limit - kept)) for e in sorted(part, key=_lot)[:n]}
    return [e for e in examples if e.id in chosen]


def _lot(example: Example) -> str:
    """Ids are "xquad-ta-12", "ta-nile-3", "nomiracl-en-5#0": the language is a part of them, or none."""
    plain = "-".join(part for part in example.id.split("-") if part != example.lang)
    return hashlib.sha256(plain.encode()).hexdigest()


def _own(row: dict[str, Any], lang: str) -> Example:
    return Example(
        id=row["id"],
        lang=lang,
        question=clean(row["question"]),
        answerable=row["answerable"],
        answers=tuple(clean(a) for a in [*row["answers"], *row.get("accepted", [])]),
        gold_docs=tuple(row["gold_docs"]),
        kind=row["kind"],
        cluster=row["id"].rsplit("-", 1)[0],
    )


def article_removed(example: Example, article: Sequence[str] = ()) -> Example:
    """The same question with its gold documents (and the rest of their article) hidden: now unanswerable."""
    return replace(
        example,
        id=f"{example.id}~removed",
        answerable=False,
        answers=(),
        kind=ARTICLE_REMOVED,
        hidden=frozenset(example.gold_docs) | frozenset(article),
    )
