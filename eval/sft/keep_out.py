"""What a training set must not hold: every question that is evaluated on, and the documents that answer it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eval.datasets import open_suite
from eval.datasets.own import QUESTIONS, Example
from eval.sft.questions import is_question_file, read_questions
from mlrag.documents.readers import read_documents
from mlrag.errors import CorpusFormatError
from mlrag.factory import make_indexes
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import stores
from mlrag.settings import Settings


@dataclass(slots=True)
class KeepOut:
    """`questions`: (language, text) -> where it stands. `texts`: of the documents that were found, by id."""

    names: list[str] = field(default_factory=list)
    questions: dict[tuple[str, str], str] = field(default_factory=dict)
    documents: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, examples: Iterable[Example]) -> None:
        self.names.append(name)
        for e in examples:
            self.questions.setdefault((e.lang, e.question), f"{name}: {e.id}")
            self.documents |= {*e.gold_docs, *e.hidden}


def read_keep_out(settings: Settings, paths: Iterable[Path], lang: str) -> KeepOut:
    """Our own questions in every language, those of every run kept below the data folder, and the sets named.

    `lang`: the one to export, and that of a question file that says none. Raises CorpusFormatError for a
    set that cannot be read.
    """
    found = KeepOut()
    for file in sorted(QUESTIONS.glob("*.jsonl")):
        found.add(f"eval/data/questions/{file.name}", [d.example for d in read_questions(file, file.stem)])
    for plan in sorted((settings.data_dir / "runs").glob("*/plan.json")):
        found.add(f"run {plan.parent.name}", _asked(plan))
    for path in paths:
        _add_set(found, path, settings, lang)
    starters = read_documents([settings.corpora / lang], lang) if (settings.corpora / lang).is_dir() else ()
    found.texts |= {d.id: d.text for d in starters if d.id in found.documents}
    found.texts |= dict(_indexed_texts(settings, found.documents - set(found.texts)))
    return found


def _asked(plan: Path) -> list[Example]:
    """What a run asked, also one of an earlier version, whose rows cannot be scored any more."""
    try:
        rows = [r for found in json.loads(plan.read_text(encoding="utf-8"))["examples"].values() for r in found]
        return [
            Example(
                id=r["id"],
                lang=r["lang"],
                question=r["question"],
                answerable=r["answerable"],
                gold_docs=tuple(r["gold_docs"]),
                hidden=frozenset(r["hidden"]),
            )
            for r in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusFormatError(f"{plan} cannot be read: {error!r}", "remove that run's folder") from error


def _add_set(found: KeepOut, path: Path, settings: Settings, lang: str) -> None:
    if is_question_file(path):
        found.add(str(path), [d.example for d in read_questions(path, lang)])
        return
    suite = open_suite(path, None, settings.data_dir)
    sets = (*suite.questions.values(), *suite.retrieval_only.values(), *suite.unanswerable.values())
    found.add(str(path), [e for rows in sets for e in rows])
    documents = [d for ds in suite.documents.values() for d in ds]
    found.texts |= {d.id: d.text for d in documents if d.id in found.documents}


def _indexed_texts(settings: Settings, ids: set[str]) -> Iterator[tuple[str, str]]:
    """Texts of these documents in the indexes that the service and the bench keep."""
    places = [make_indexes(settings), *map(FolderIndexes, sorted(settings.data_dir.glob("eval/*")))]
    for store in (store for place in places for store in stores(place).values()):
        yield from ((d.id, d.text) for i in sorted(ids) if (d := store.document(i)))
