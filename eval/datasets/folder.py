"""Any folder of JSON lines in the plain format:

    <set>.passages.jsonl         {"pid", "lang", "text" [, "title"]}
    <set>.questions.jsonl        {"qid", "lang", "question", "answers", "gold_pids"}
                              or {"qid", "lang", "question", "passage_ids", "answerable"}
    <set>.retrieval_only.jsonl   questions without answer text
    <set>.jsonl in unanswerable/ {"qid", "lang", "question", "removed_answer", "exclude_pids"}
    card.json                    {"name", "licence", "source", "contamination"}, where there is one

Questions of multiple choice also have "options" and "gold_option" (from 0). One passage is one document. All sets of
a language share one corpus.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from eval.datasets.base import OWN_FOLDER, Card, Dataset
from eval.datasets.own import read_jsonl
from eval.types import ARTICLE_REMOVED, NEAR_MISS, Example
from mlrag.errors import CorpusFormatError
from mlrag.text.normalize import clean
from mlrag.types import Document

_PASSAGES, _QUESTIONS, _RETRIEVAL = ".passages.jsonl", ".questions.jsonl", ".retrieval_only.jsonl"
WHOLE_PASSAGE = 100_000  # characters: passages of a set are never cut


def is_plain(folder: Path) -> bool:
    """Does it hold a set in this format?"""
    return any(folder.rglob(f"*{_PASSAGES}"))


def read_folder(folder: Path, langs: Iterable[str] | None = None) -> Dataset:
    """Read a folder. Raises CorpusFormatError when it holds no set, or a row lacks a field."""
    if not folder.is_dir():
        raise CorpusFormatError(f"{folder} is not a folder", "give a folder with *.passages.jsonl")
    wanted = set(langs) if langs else None
    documents: dict[str, dict[str, Document]] = defaultdict(dict)
    questions: dict[str, list[Example]] = defaultdict(list)
    retrieval: dict[str, list[Example]] = defaultdict(list)
    unanswerable: dict[str, list[Example]] = defaultdict(list)
    for path in sorted(folder.rglob("*.jsonl")):
        if wanted and path.name.split(".")[0] not in wanted:
            continue
        if path.name.endswith(_PASSAGES):
            for document in _documents(path):
                documents[document.lang].setdefault(document.id, document)
        elif path.name.endswith((_QUESTIONS, _RETRIEVAL)):
            target = retrieval if path.name.endswith(_RETRIEVAL) else questions
            for row in read_jsonl(path):
                target[row["lang"]].append(_example(row, path))
        elif path.parent.name == "unanswerable":
            for row in read_jsonl(path):
                unanswerable[row["lang"]].append(_unanswerable(row, path))
    if not documents:
        raise CorpusFormatError(f"{folder} holds no *.passages.jsonl" + (f" of {sorted(wanted)}" if wanted else ""))
    kept = {lang: list(found.values()) for lang, found in documents.items()}
    return Dataset(folder, kept, dict(questions), dict(retrieval), dict(unanswerable), _card(folder))


def _card(folder: Path) -> Card:
    """What card.json beside the set says: name, licence, source, contamination, languages."""
    path = folder / "card.json"
    if not path.is_file():
        return OWN_FOLDER
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Card(**(said | {"languages": tuple(said.get("languages", ()))}))
    except (json.JSONDecodeError, TypeError, AttributeError) as error:
        raise CorpusFormatError(
            f"{path} is not a card: {error}", "it has name, licence, source, contamination and perhaps languages"
        ) from error


def _field(row: dict[str, Any], key: str, path: Path) -> Any:
    if key not in row:
        raise CorpusFormatError(f"{path}: a row lacks {key!r}: {str(row)[:120]}")
    return row[key]


def _documents(path: Path) -> Iterable[Document]:
    for row in read_jsonl(path):
        text = clean(_field(row, "text", path)).strip()
        if not text:
            continue
        title = clean(row.get("title") or "").replace("_", " ").strip()
        yield Document(str(_field(row, "pid", path)), _field(row, "lang", path), text, title, path.name)


def _example(row: dict[str, Any], path: Path) -> Example:
    pool = row.get("passage_ids")
    answerable = bool(row.get("answerable", True))
    gold = tuple(map(str, row.get("gold_pids", ())))
    return Example(
        id=str(_field(row, "qid", path)),
        lang=_field(row, "lang", path),
        question=clean(_field(row, "question", path)),
        answerable=answerable,
        answers=tuple(clean(a) for a in row.get("answers", ())),
        gold_docs=gold,
        kind="fact" if answerable else NEAR_MISS,
        cluster=gold[0] if gold else str(row["qid"]),
        only=frozenset(map(str, pool)) if pool else None,
        options=tuple(clean(str(o)) for o in row.get("options", ())),
        gold_option=_gold_option(row, path),
    )


def _gold_option(row: dict[str, Any], path: Path) -> int | None:
    if not row.get("options"):
        return None
    gold = _field(row, "gold_option", path)
    if not isinstance(gold, int) or not 0 <= gold < len(row["options"]):
        raise CorpusFormatError(f"{path}: gold_option {gold!r} is no place among the options of {row.get('qid')!r}")
    return gold


def _unanswerable(row: dict[str, Any], path: Path) -> Example:
    return Example(
        id=f"{_field(row, 'qid', path)}~removed",
        lang=_field(row, "lang", path),
        question=clean(_field(row, "question", path)),
        answerable=False,
        kind=ARTICLE_REMOVED,
        cluster=str(row["qid"]),
        hidden=frozenset(map(str, _field(row, "exclude_pids", path))),
    )
