"""Keep every question and document that is evaluated on out of a training set, and check the written files for both."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from eval.datasets import open_dataset
from eval.datasets.own import QUESTIONS, own_questions
from eval.sft.questions import is_question_file, read_questions
from eval.sft.records import Draft, LeftOut
from eval.types import Example
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.errors import CorpusFormatError, MlragError
from mlrag.factory import make_indexes
from mlrag.generation.prompts import MARK
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import stores
from mlrag.languages import Language
from mlrag.settings import Settings
from mlrag.text.normalize import normalize_for_search
from mlrag.types import Document, Vectors

RUN_SPACED, RUN_UNSPACED = 32, 12  # letters; about six words, and about half a sentence in Han or Kana
GRAM = 4
SHARED = 0.1  # proportion of a passage's runs that may occur in a kept-out text: quotations and mastheads pass
ALIKE = 0.6  # Dice coefficient of 4-grams from which two questions count as the same
_NEAR = 0.9  # cosine, in a language without questions of our own


def letters(text: str) -> str:
    """Return the letters, marks and digits in matching form, without blanks and punctuation."""
    return "".join(c for c in normalize_for_search(text) if unicodedata.category(c)[0] in "LMN")


def run_length(lang: Language) -> int:
    """Return the length of a run of letters that two texts do not share by chance."""
    return RUN_SPACED if lang.spaced else RUN_UNSPACED


def runs(text: str, length: int) -> set[str]:
    """Return every run of `length` letters; a shorter text is one run, an empty one has none."""
    held = letters(text)
    return {held[i : i + length] for i in range(max(1, len(held) - length + 1))} if held else set()


def overlap(text: str, others: Collection[str], length: int) -> float:
    """Return the proportion of the text's runs that are among `others`, in [0, 1]; 0 for a text without letters."""
    text_runs = runs(text, length)
    return sum(run in others for run in text_runs) / len(text_runs) if text_runs else 0.0


def dice(first: str, second: str) -> float:
    """Return the Dice coefficient of the two sets of 4-grams of letters, in [0, 1]; 1 for equal texts."""
    a, b = runs(first, GRAM), runs(second, GRAM)
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def group_overlapping(texts: Mapping[str, str], length: int, threshold: float) -> list[tuple[str, ...]]:
    """Group the ids of texts that share at least `threshold` of their runs with one of their group; sorted."""
    group_of: dict[str, set[str]] = {}
    first_with: dict[str, str] = {}
    for name in sorted(texts):
        group_of[name] = {name}
        text_runs = runs(texts[name], length)
        shared = Counter(first_with.setdefault(run, name) for run in text_runs)
        for other, number in shared.items():
            if other != name and number >= threshold * len(text_runs):
                joined = group_of[name] | group_of[other]
                group_of |= dict.fromkeys(joined, joined)
    return sorted({tuple(sorted(members)) for members in group_of.values()})


@dataclass(slots=True)
class KeepOut:
    """What a training set must not hold.

    Args:
        questions: (language, text) -> the file or run it comes from.
        documents: ids of the documents that answer them.
        texts: by id, the text of those documents, as far as it was found.
    """

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
    """Collect our own questions in every language, those of every run in the data folder, and the given sets.

    Args:
        lang: the language to export; also that of a question file that names none.

    Raises:
        CorpusFormatError: a set cannot be read.
    """
    kept_out = KeepOut()
    for file in sorted(QUESTIONS.glob("*.jsonl")):
        kept_out.add(f"eval/data/questions/{file.name}", [d.example for d in read_questions(file, file.stem)])
    for plan in sorted((settings.data_dir / "runs").glob("*/plan.json")):
        kept_out.add(f"run {plan.parent.name}", _read_run_questions(plan))
    for path in paths:
        _add_set(kept_out, path, settings, lang)
    starters = read_documents([settings.corpora / lang], lang) if (settings.corpora / lang).is_dir() else ()
    kept_out.texts |= {d.id: d.text for d in starters if d.id in kept_out.documents}
    kept_out.texts |= dict(_read_indexed_texts(settings, kept_out.documents - set(kept_out.texts)))
    return kept_out


def _read_run_questions(plan: Path) -> list[Example]:
    """Read the questions of a run, also of an earlier version whose rows cannot be scored any more."""
    try:
        by_language = json.loads(plan.read_text(encoding="utf-8"))["examples"]
        return [
            Example(
                id=row["id"],
                lang=row["lang"],
                question=row["question"],
                answerable=row["answerable"],
                gold_docs=tuple(row["gold_docs"]),
                hidden=frozenset(row["hidden"]),
            )
            for rows in by_language.values()
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorpusFormatError(f"{plan} cannot be read: {error!r}", "remove that run's folder") from error


def _add_set(kept_out: KeepOut, path: Path, settings: Settings, lang: str) -> None:
    if is_question_file(path):
        kept_out.add(str(path), [d.example for d in read_questions(path, lang)])
        return
    suite = open_dataset(path, None, settings.data_dir)
    sets = (*suite.questions.values(), *suite.retrieval_only.values(), *suite.unanswerable.values())
    kept_out.add(str(path), [e for examples in sets for e in examples])
    for documents in suite.documents.values():
        kept_out.texts |= {d.id: d.text for d in documents if d.id in kept_out.documents}


def _read_indexed_texts(settings: Settings, ids: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of these documents from the indexes of the service and of the bench."""
    for indexes in (make_indexes(settings), *map(FolderIndexes, sorted(settings.data_dir.glob("eval/*")))):
        for store in stores(indexes).values():
            yield from ((d.id, d.text) for i in sorted(ids) if (d := store.document(i)))


class LeakError(MlragError):
    """A written file holds what is evaluated on: a fault of the export, which then keeps no file."""

    code = "leak"


class Leaks:
    """Compare documents and questions of one language with what is kept out."""

    def __init__(self, keep_out: KeepOut, lang: Language, embedder: Embedder) -> None:
        self._keep_out = keep_out
        self._lang = lang.code
        self._length = run_length(lang)
        self._runs = {run for text in keep_out.texts.values() for run in runs(text, self._length)}
        self._texts = {letters(text): name for name, text in keep_out.texts.items()}
        in_language = {text: source for (code, text), source in keep_out.questions.items() if code == lang.code}
        self._questions, self._sources = list(in_language), list(in_language.values())
        self._equal = {letters(text): source for (_, text), source in keep_out.questions.items()}
        self._embedder = embedder
        self._vectors = np.asarray(embedder.encode_query(self._questions)) if self._questions else None

    @cached_property
    def near(self) -> float:
        """The cosine above which two questions count as the same."""
        return find_nearest_of_others(self._lang, self._embedder)

    def check_document(self, document: Document, passages: Sequence[str]) -> LeftOut | None:
        """Compare by id, then by content, then by the letters that a passage shares; None where it may be used."""
        if document.id in self._keep_out.documents:
            return LeftOut("document", document.id, "id")
        if near := self._texts.get(letters(document.text)):
            return LeftOut("document", document.id, "same_content", near)
        most = max(map(self.overlap, passages), default=0.0)
        return LeftOut("document", document.id, f"overlap:{most:.2f}") if most >= SHARED else None

    def overlap(self, passage: str) -> float:
        """Return the proportion of the passage's runs that occur in kept-out texts."""
        return overlap(passage, self._runs, self._length)

    def find_same_question(self, question: str) -> tuple[str, str]:
        """Return (reason, source) by letters alone: equal in any language, or alike in this one; ("", "") for none."""
        if source := self._equal.get(letters(question)):
            return "same_question", source
        likeness = [dice(question, kept) for kept in self._questions]
        best = int(np.argmax(likeness)) if likeness else -1
        if best < 0 or likeness[best] < ALIKE:
            return "", ""
        return f"alike:{likeness[best]:.2f}", self._sources[best]

    def check_questions(self, drafts: Sequence[Draft]) -> list[LeftOut]:
        """Return the drafts that may not be learned: compared by letters, then by meaning."""
        if not drafts:
            return []
        vectors = np.asarray(self._embedder.encode_query([d.example.question for d in drafts]))
        return [out for d, v in zip(drafts, vectors, strict=True) if (out := self._check_question(d, v))]

    def _check_question(self, draft: Draft, vector: Vectors) -> LeftOut | None:
        reason, source = self.find_same_question(draft.example.question)
        if not reason and self._vectors is not None:
            cosines = self._vectors @ vector
            best = int(np.argmax(cosines))
            if cosines[best] > self.near:
                reason, source = f"means_the_same:{cosines[best]:.3f}", self._sources[best]
        return LeftOut("question", draft.example.id, reason, source) if reason else None


def find_nearest_of_others(lang: str, embedder: Embedder) -> float:
    """Return the largest cosine between two of our own questions on different topics."""
    try:
        examples = own_questions(lang)
    except CorpusFormatError:  # a language that we have no questions in
        return _NEAR
    vectors = np.asarray(embedder.encode_query([e.question for e in examples]))
    topics = np.array([e.cluster for e in examples])
    cosines = (vectors @ vectors.T)[topics[:, None] != topics[None, :]]
    return float(cosines.max()) if len(cosines) else _NEAR


def audit(files: Iterable[Path], leaks: Leaks, label: str) -> int:
    """Read the files back, as a trainer will, and compare every passage and question with what is kept out.

    Args:
        label: the word before a question in the prompts' language.

    Returns: the number of conversations.

    Raises:
        LeakError: a file holds a passage or a question that is evaluated on.
    """
    number = 0
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            prompt = next(t["content"] for t in row.get("messages") or row["prompt"] if t["role"] == "user")
            number += 1
            _check_prompt(prompt, leaks, label, f"{path.name}:{number}")
    return number


def _check_prompt(prompt: str, leaks: Leaks, label: str, where: str) -> None:
    passages, _, question = prompt.rpartition(f"\n\n{label}: ")
    for block in passages.split("\n\n"):
        if MARK in block and leaks.overlap(block.partition(MARK)[2]) >= SHARED:
            raise LeakError(f"{where} shows a passage that is evaluated on", "report this: nothing was written")
    reason, near = leaks.find_same_question(question.rpartition("\n")[0])
    if reason:
        raise LeakError(f"{where} asks what {near} asks ({reason})", "report this: nothing was written")
