"""Is a document or a question one that is evaluated on, or too near to one? And are the written files free of both?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from eval.datasets.own import own_questions
from eval.sft.keep_out import KeepOut
from eval.sft.overlap import dice, letters, run_length, runs_of, share
from eval.sft.records import Draft, LeftOut
from mlrag.embedding.base import Embedder
from mlrag.errors import CorpusFormatError, MlragError
from mlrag.generation.prompts import MARK
from mlrag.languages import Language
from mlrag.types import Document, Vectors

SHARED = 0.1  # share of a passage's runs of letters that may stand in a kept-out text: quotations and mastheads pass
ALIKE = 0.6  # Dice of 4-grams from which two questions are one
_NEAR = 0.9  # cosine, in a language without questions of our own


class LeakError(MlragError):
    """A written file holds what is evaluated on: a fault of the export, which then keeps no file."""

    code = "leak"


class Leaks:
    """Compares documents and questions of one language with what is kept out."""

    def __init__(self, keep_out: KeepOut, lang: Language, embedder: Embedder) -> None:
        self._keep_out = keep_out
        self._lang = lang.code
        self._length = run_length(lang)
        self._runs = runs_of(keep_out.texts.values(), self._length)
        self._texts = {letters(text): name for name, text in keep_out.texts.items()}
        self._asked = [text for code, text in keep_out.questions if code == lang.code]
        self._where = [where for (code, _), where in keep_out.questions.items() if code == lang.code]
        self._equal = {letters(text): where for (_, text), where in keep_out.questions.items()}
        self._embedder = embedder
        self._vectors = np.asarray(embedder.encode_query(self._asked)) if self._asked else None

    @cached_property
    def near(self) -> float:
        """The cosine above which two questions are one."""
        return nearest_of_others(self._lang, self._embedder)

    def document(self, document: Document, passages: Sequence[str]) -> LeftOut | None:
        """By id, then by content, then by what a passage shares letter for letter."""
        if document.id in self._keep_out.documents:
            return LeftOut("document", document.id, "id")
        if near := self._texts.get(letters(document.text)):
            return LeftOut("document", document.id, "same_content", near)
        most = max((self.shared(p) for p in passages), default=0.0)
        return LeftOut("document", document.id, f"overlap:{most:.2f}") if most >= SHARED else None

    def shared(self, passage: str) -> float:
        """Share of the passage's runs that stand in kept-out texts."""
        return share(passage, self._runs, self._length)

    def same_question(self, question: str) -> tuple[str, str]:
        """(reason, where) by letters alone: equal to a kept-out question in any language, or alike in this one."""
        if where := self._equal.get(letters(question)):
            return "same_question", where
        likeness = [dice(question, kept) for kept in self._asked]
        best = int(np.argmax(likeness)) if likeness else -1
        return (f"alike:{likeness[best]:.2f}", self._where[best]) if best >= 0 and likeness[best] >= ALIKE else ("", "")

    def questions(self, drafts: Sequence[Draft]) -> list[LeftOut]:
        """The drafts that may not be learned: by letters, then by meaning."""
        if not drafts:
            return []
        vectors = np.asarray(self._embedder.encode_query([d.example.question for d in drafts]))
        return [out for d, v in zip(drafts, vectors, strict=True) if (out := self._question(d, v))]

    def _question(self, draft: Draft, vector: Vectors) -> LeftOut | None:
        reason, where = self.same_question(draft.example.question)
        if not reason and self._vectors is not None:
            cosines = self._vectors @ vector
            best = int(np.argmax(cosines))
            if cosines[best] > self.near:
                reason, where = f"means_the_same:{cosines[best]:.3f}", self._where[best]
        return LeftOut("question", draft.example.id, reason, where) if reason else None


def nearest_of_others(lang: str, embedder: Embedder) -> float:
    """The largest cosine between two of our own questions on different topics: above it, two questions are one."""
    try:
        asked = own_questions(lang)
    except CorpusFormatError:  # a language that we have no questions in
        return _NEAR
    vectors = np.asarray(embedder.encode_query([e.question for e in asked]))
    topics = np.array([e.cluster for e in asked])
    cosines = (vectors @ vectors.T)[topics[:, None] != topics[None, :]]
    return float(cosines.max()) if len(cosines) else _NEAR


def audit(files: Iterable[Path], leaks: Leaks, asks: str) -> int:
    """Read the files back, as a trainer will, and hold every passage and question against what is kept out.

    `asks`: the word before a question in the prompts' language. Returns the number of conversations; raises LeakError.
    """
    number = 0
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            prompt = next(t["content"] for t in row.get("messages") or row["prompt"] if t["role"] == "user")
            number += 1
            _check(prompt, leaks, asks, f"{path.name}:{number}")
    return number


def _check(prompt: str, leaks: Leaks, asks: str, where: str) -> None:
    body, _, asked = prompt.rpartition(f"\n\n{asks}: ")
    for block in body.split("\n\n"):
        if MARK in block and leaks.shared(block.partition(MARK)[2]) >= SHARED:
            raise LeakError(f"{where} shows a passage that is evaluated on", "report this: nothing was written")
    reason, near = leaks.same_question(asked.rpartition("\n")[0])
    if reason:
        raise LeakError(f"{where} asks what {near} asks ({reason})", "report this: nothing was written")
