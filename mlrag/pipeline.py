"""The answer flow on one screen: detect, search, generate, check, answer or abstain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlrag.checks import WRONG_LANGUAGE, Checked, check
from mlrag.errors import MissingIndexError, QuestionError
from mlrag.generation.base import Generator, Request
from mlrag.generation.scoring import distance
from mlrag.languages import Language, language
from mlrag.records import Answer, Evidence
from mlrag.retrieval import Retriever
from mlrag.text.detect import UNKNOWN, detect
from mlrag.text.normalize import clean


@dataclass(slots=True)
class Clock:
    """Wall seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(self.seconds.get(step, 0.0) + now - self._last, 6)
        self._last = now


class Pipeline:
    """ask() turns a question into an Answer that is in the right language, cited, or an honest abstention."""

    def __init__(
        self,
        retriever: Retriever,
        generator: Generator,
        *,
        k: int = 5,
        cross_language: bool = True,
        max_question: int = 2000,
        timeout: float = 120.0,
        is_remote: Callable[[str], bool] = bool,
    ) -> None:
        self.retriever = retriever
        self.generator = generator
        self._k = k
        self._cross_language = cross_language
        self._max_question = max_question
        self._timeout = timeout
        self._is_remote = is_remote

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        k: int | None = None,
        hidden: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> Answer:
        """Answer a question from the documents of `lang` (detected where not given).

        `hidden` documents are treated as absent, `only` as all there is. Raises QuestionError,
        UnknownLanguageError, MissingIndexError, GeneratorError.
        """
        clock = Clock()
        question, pack = self._understand(question, lang)
        vector = self.retriever.embed(question)
        clock.lap("embed")
        evidence = self.retriever.search(question, pack.code, k or self._k, hidden, only, vector)
        clock.lap("retrieve")
        answer = self._answer(pack, evidence, clock)
        if answer.abstained and self._cross_language and not hidden and only is None:
            answer = self._elsewhere(pack, evidence, k or self._k, clock) or answer
        return replace(answer, timings=clock.seconds | {"total": round(sum(clock.seconds.values()), 6)})

    def _understand(self, question: str, lang: str | None) -> tuple[str, Language]:
        question = clean(question).strip()
        if not question:
            raise QuestionError("the question is empty", "say what you want to know")
        if len(question) > self._max_question:
            raise QuestionError(f"the question has {len(question)} characters; {self._max_question} is the limit")
        code = lang or detect(question)
        if code == UNKNOWN:
            raise QuestionError("the language of the question cannot be told", "say it, e.g. lang=ta")
        return question, language(code)

    def _answer(self, pack: Language, evidence: Evidence, clock: Clock) -> Answer:
        """The generator's answer, checked; one more try that says what was wrong; then an abstention."""
        warnings: list[str] = []
        until = clock.begun + self._timeout
        generation = self.generator.generate(Request(pack, evidence, until=until))
        clock.lap("generate")
        checked = check(generation, evidence, pack)
        if checked.problem:
            warnings.append(f"retried:{checked.problem}")
            firm = "firmer" if checked.problem == WRONG_LANGUAGE else "grounded"
            generation = self.generator.generate(Request(pack, evidence, firm, until))
            clock.lap("generate")
            checked = check(generation, evidence, pack)
        if checked.problem:
            warnings.append(f"abstained:{checked.problem}")
        clock.lap("check")
        return self._compose(pack, evidence, checked, warnings)

    def _compose(self, pack: Language, evidence: Evidence, checked: Checked, warnings: list[str]) -> Answer:
        generation = checked.generation
        abstained = generation.abstained or bool(checked.problem)
        warnings += generation.warnings if abstained else (*generation.warnings, *checked.warnings)
        index = self.retriever.index(evidence.lang)
        if index.rebuilt_because:
            warnings.append(f"index_rebuilt:{index.rebuilt_because}")
            index.rebuilt_because = ""
        return Answer(
            text=pack.abstention if abstained else generation.text,
            lang=pack.code,
            abstained=abstained,
            citations=() if abstained else generation.citations,
            hits=evidence.hits,
            model=generation.model,
            embedder=f"{self.retriever.embedder.name} ({self.retriever.embedder.engine})",
            warnings=tuple(dict.fromkeys(warnings)),
            confidence=generation.confidence,
            usage=generation.usage,
            host=generation.host,
            left_machine=self._is_remote(generation.host),
        )

    def _elsewhere(self, pack: Language, evidence: Evidence, k: int, clock: Clock) -> Answer | None:
        """The best answer from another language's documents, which the answer then says; None without one."""
        found = []
        for other in self.retriever.languages():
            if other == pack.code:
                continue
            try:
                found.append(self.retriever.search(evidence.question, other, k, vector=evidence.query_vector))
            except MissingIndexError:
                continue
        clock.lap("retrieve_elsewhere")
        if not found:
            return None
        best = max(found, key=distance)
        answer = self._answer(pack, best, clock)
        if answer.abstained:
            return None
        return replace(answer, warnings=(*answer.warnings, f"other_language:{best.lang}"))
