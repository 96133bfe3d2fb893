"""What every reader of an evaluation set gives: a Suite with its Card, made of Items."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets.own import article_removed
from eval.types import Example
from mlrag.errors import CorpusFormatError
from mlrag.text.normalize import clean
from mlrag.types import Document


@dataclass(frozen=True, slots=True)
class Card:
    """What a report says of a set. `contamination`: may models have been trained on it?"""

    name: str
    licence: str
    source: str
    contamination: str
    languages: tuple[str, ...] = ()


OWN_FOLDER = Card(
    "your own folder",
    "not said: write card.json beside the set",
    "not said",
    "not said: measure it with --closed-book",
)
OWN = Card(
    "mlrag's own questions, test split",
    "Apache-2.0",
    "eval/data/questions, over corpora/",
    "published with mlrag; the facts are common knowledge, so a model may know them: measure it with --closed-book",
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set's documents and questions by language. `retrieval_only` questions have no answer text."""

    folder: Path
    documents: dict[str, list[Document]]
    questions: dict[str, list[Example]]
    retrieval_only: dict[str, list[Example]]
    unanswerable: dict[str, list[Example]]
    card: Card = OWN_FOLDER

    @property
    def languages(self) -> list[str]:
        return sorted({*self.documents, *self.questions})

    def remove_article(self, example: Example) -> Example | None:
        """The example with its article hidden (all passages of the gold passages' title), None without gold."""
        if not example.gold_docs or example.only is not None:
            return None
        documents = self.documents.get(example.lang, [])
        titles = {d.title for d in documents if d.id in example.gold_docs and d.title}
        return article_removed(example, [d.id for d in documents if d.title in titles])


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a file, with the place that an error names."""

    path: Path
    number: int
    values: Mapping[str, Any]

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def fault(self, problem: str) -> CorpusFormatError:
        return CorpusFormatError(f"{self.path}: row {self.number} {problem}")

    def need(self, key: str, kind: type[Any] | tuple[type[Any], ...] = object) -> Any:
        """The field's value. Raises CorpusFormatError where it is absent or of another kind."""
        value = self.values.get(key)
        if value is None:
            raise self.fault(f"lacks {key!r}")
        if not isinstance(value, kind):
            raise self.fault(f"has a {type(value).__name__} as {key!r}: {str(value)[:80]!r}")
        return value

    def text(self, key: str) -> str:
        """A field's text, NFC and without outer space. Raises CorpusFormatError where it is absent or empty."""
        said = clean(str(self.need(key, (str, int, float)))).strip()
        if not said:
            raise self.fault(f"has nothing in {key!r}")
        return said


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """What one row holds: a question, and the documents that stand with it."""

    example: Example
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """A public format. A file is of it when its first row has all of the fields `signs`.

    `read` turns the rows of one file into items; it is given the language that the file's name tells ("" for none)
    and skips rows in languages without a pack.
    """

    card: Card
    signs: frozenset[str]
    read: Callable[[Iterable[SourceRow], str], Iterator[DatasetItem]]


def passage(lang: str, text: str, title: str = "", id: str = "", source: str = "") -> Document:
    """One passage as a document; without an id, the text's hash, so that a passage read twice is one."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Document(id or f"{lang}-{digest}", lang, text, clean(title).replace("_", " ").strip(), source)


def gather(items: Iterable[DatasetItem], path: Path, card: Card, wanted: set[str] | None) -> Dataset:
    """A suite of the items in the wanted languages (all for None)."""
    documents: dict[str, dict[str, Document]] = defaultdict(dict)
    questions: dict[str, list[Example]] = defaultdict(list)
    for item in items:
        if wanted and item.example.lang not in wanted:
            continue
        questions[item.example.lang].append(item.example)
        for document in item.documents:
            documents[document.lang].setdefault(document.id, document)
    if not questions:
        asked = f"in {', '.join(sorted(wanted))}" if wanted else "in a language that has a pack"
        raise CorpusFormatError(f"{path} ({card.name}) holds no question {asked}")
    return Dataset(path, {k: list(v.values()) for k, v in documents.items()}, dict(questions), {}, {}, card)
