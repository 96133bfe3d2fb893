"""A stand-in that follows each kind of constraint in a given share of its tasks, so that measured rates can be held
against known ones. It is no model: it knows the tasks, and builds each reply."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import regex

from eval.instructions.checks import Constraint
from eval.instructions.tasks import WritingTask
from eval.metrics.answers import containment
from mlrag.languages import Language, language
from mlrag.text.sentences import sentence_spans
from mlrag.types import Answer

_NO_LETTER = regex.compile(r"[^\p{L}\p{M}\u200c\u200d\s]+")
_WORDS, _CHARACTERS = 8, 20  # a sentence


@dataclass(frozen=True)
class Obedient:
    """An Asker. `shares`: how much of each kind it follows; kinds not named are followed always.

    Of the n times that a kind is asked in a language, exactly round(share × n) are followed, chosen by hash.
    """

    tasks: Sequence[WritingTask]
    shares: Mapping[str, float]

    name = "stand-in:obedient"

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),  # noqa: ARG002
        only: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Answer:
        task = self._by_prompt[lang or "", question]
        dropped = {c.kind for c in task.constraints if not self.follows(task, c.kind)}
        return Answer(
            write_reply(task, dropped), task.example.lang, False, (), (), self.name, "", timings={"total": 0.0}
        )

    def follows(self, task: WritingTask, kind: str) -> bool:
        return task.example.id in self._followed[task.example.lang, kind]

    @cached_property
    def _by_prompt(self) -> dict[tuple[str, str], WritingTask]:
        return {(t.example.lang, t.example.question): t for t in self.tasks}

    @cached_property
    def _followed(self) -> dict[tuple[str, str], set[str]]:
        asked: dict[tuple[str, str], list[str]] = {}
        for task in self.tasks:
            for c in task.constraints:
                asked.setdefault((task.example.lang, c.kind), []).append(task.example.id)
        return {key: set(self._some(ids, key[1])) for key, ids in asked.items()}

    def _some(self, ids: list[str], kind: str) -> list[str]:
        ordered = sorted(ids, key=lambda i: hashlib.sha256(f"{kind} {i}".encode()).digest())
        return ordered[: round(self.shares.get(kind, 1.0) * len(ids))]


def write_reply(task: WritingTask, dropped: Iterable[str]) -> str:
    """A text that follows the task's constraints but those kinds, and nothing that was not asked but limits."""
    pack, lost = language(task.example.lang), set(dropped)
    asked = {c.kind: c for c in task.constraints}
    kept = {kind: c for kind, c in asked.items() if kind not in lost}
    sentences = _sentences(task, pack, asked, kept, lost)
    if "bullets" in kept:
        return "\n".join(f"- {s}" for s in sentences)
    text = " ".join(sentences) if pack.spaced else "".join(sentences)
    if "json" in kept:
        return json.dumps({"title": " ".join(text.split()[:1])[:_CHARACTERS], "text": text}, ensure_ascii=False)
    return text


def _sentences(
    task: WritingTask, pack: Language, asked: Mapping[str, Constraint], kept: Mapping[str, Constraint], lost: set[str]
) -> list[str]:
    count = 4 if "bullets" in kept or "sentences" in lost else 3
    blank = " " if pack.spaced else ""
    bodies = _bodies(task, pack, count, "language" in lost)
    if "include" in kept:
        bodies[0] += blank + kept["include"].text
    bodies[1] = blank.join(filter(None, (bodies[1], _numbers(asked, kept, lost))))
    if lost & {"words", "characters"}:
        bodies[2] = blank.join(_bodies(task, pack, 20, "language" in lost))
    mark = " [1]" if "cite" in kept else ""
    return [f"{body[:1].upper()}{body[1:]}{mark}{pack.sentence_enders[0]}" for body in bodies]


def _numbers(asked: Mapping[str, Constraint], kept: Mapping[str, Constraint], lost: set[str]) -> str:
    """The number that a dropped constraint forbids, or that a kept one wants in other digits; most often none."""
    if "exclude" in lost:
        return asked["exclude"].text
    if "native_digits" in kept:
        return kept["native_digits"].text[3:6]
    return "345" if lost & {"native_digits", "no_digits"} else ""


def _bodies(task: WritingTask, pack: Language, count: int, foreign: bool) -> list[str]:
    """Beginnings of sentences without signs or digits: of the passage, or in another language."""
    avoid = [c.text for c in (*task.constraints, *task.others) if c.kind == "include"]
    if foreign:
        texts: list[str] = list(language("fr" if pack.code == "en" else "en").sample_sentences)
        return [_cut(texts[n % len(texts)], True, _WORDS if pack.spaced else 4) for n in range(count)]
    shown = [p.partition(". ")[2] or p for p in task.passages]
    texts = [t[s.start : s.end] for t in shown for s in sentence_spans(t)]
    free = [cut for t in texts if len(cut := _cut(t, pack.spaced)) > 9 and not containment(cut, avoid, pack)]
    return [free[n % len(free)] for n in range(count)]


def _cut(text: str, spaced: bool, words: int = _WORDS) -> str:
    """Without single letters, at which a sentence would seem to go on."""
    found = [w for w in _NO_LETTER.sub(" ", text).split() if not spaced or len(w) > 1]
    return " ".join(found[:words]) if spaced else "".join(found)[:_CHARACTERS]
