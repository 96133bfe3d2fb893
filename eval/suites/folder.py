"""Any folder of JSON lines in the plain format:

    <set>.passages.jsonl         {"pid", "lang", "text" [, "title"]}
    <set>.questions.jsonl        {"qid", "lang", "question", "answers", "gold_pids"}
                              or {"qid", "lang", "question", "passage_ids", "answerable"}
    <set>.retrieval_only.jsonl   questions without answer text
    <set>.jsonl in unanswerable/ {"qid", "lang", "question", "removed_answer", "exclude_pids"}

One passage is one document. All sets of a language share one corpus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.examples import ARTICLE_REMOVED, NEAR_MISS, Example, article_removed, read_jsonl
from mlrag.errors import CorpusFormatError
from mlrag.records import Document
from mlrag.text.normalize import clean

_PASSAGES, _QUESTIONS, _RETRIEVAL = ".passages.jsonl", ".questions.jsonl", ".retrieval_only.jsonl"
WHOLE_PASSAGE = 100_000  # characters: passages of a set are never cut


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder's documents and questions by language. `retrieval_only` questions have no answer text."""

    folder: Path
    documents: dict[str, list[Document]]
    questions: dict[str, list[Example]]
    retrieval_only: dict[str, list[Example]]
    unanswerable: dict[str, list[Example]]

    @property
    def languages(self) -> list[str]:
        return sorted(self.documents)

    def removed(self, example: Example) -> Example | None:
        """The example with its article hidden (all passages of the gold passages' title), None without gold."""
        if not example.gold_docs or example.only is not None:
            return None
        titles = {d.title for d in self.documents[example.lang] if d.id in example.gold_docs and d.title}
        article = [d.id for d in self.documents[example.lang] if d.title in titles]
        return article_removed(example, article)


def read_suite(folder: Path, langs: Iterable[str] | None = None) -> Suite:
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
    return Suite(folder, kept, dict(questions), dict(retrieval), dict(unanswerable))


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
    )


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
