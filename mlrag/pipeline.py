"""The answer flow on one screen: detect, search, generate, check, answer or abstain."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from mlrag.citations import cite
from mlrag.errors import MissingIndexError, QuestionError
from mlrag.generation.base import Generator, Request
from mlrag.generation.scoring import distance
from mlrag.grounding import numbers_without_source
from mlrag.languages import Language, language
from mlrag.records import Answer, Evidence, Generation
from mlrag.retrieval import Retriever
from mlrag.text.detect import UNKNOWN, detect, in_language
from mlrag.text.normalize import clean


@dataclass(slots=True)
class Clock:
    """Wall seconds by step."""

    seconds: dict[str, float] = field(default_factory=dict)
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
    ) -> None:
        self.retriever = retriever
        self.generator = generator
        self._k = k
        self._cross_language = cross_language
        self._max_question = max_question

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
        generation = self.generator.generate(Request(pack, evidence))
        clock.lap("generate")
        warnings = list(generation.warnings)
        quoted = bool(generation.citations)
        if not (quoted or generation.abstained or in_language(generation.text, pack)):
            generation = self.generator.generate(Request(pack, evidence, firm=True))
            clock.lap("generate")
            warnings.append("retried:wrong_language")
            if not generation.abstained and not in_language(generation.text, pack):
                warnings.append("abstained:wrong_language")
                generation = replace(generation, abstained=True)
        checked = self._check(generation, evidence, warnings)
        clock.lap("check")
        return self._compose(pack, evidence, checked, warnings)

    @staticmethod
    def _check(generation: Generation, evidence: Evidence, warnings: list[str]) -> Generation:
        """Citations resolved; numbers that no passage holds make it an abstention."""
        if generation.abstained:
            return generation
        text, citations = generation.text, generation.citations
        if not citations:
            text, citations, odd = cite(text, evidence.hits)
            warnings += odd
            warnings += [] if citations else ["uncited"]
        cited = {c.passage_id for c in citations}
        sources = [h.passage.indexed_text for h in evidence.hits if not cited or h.passage.id in cited]
        strange = numbers_without_source(text, sources)
        if strange:
            warnings.append(f"abstained:numbers_without_source:{','.join(strange)}")
        return replace(generation, text=text, citations=citations, abstained=bool(strange))

    def _compose(self, pack: Language, evidence: Evidence, generation: Generation, warnings: list[str]) -> Answer:
        index = self.retriever.index(evidence.lang)
        if index.rebuilt_because:
            warnings.append(f"index_rebuilt:{index.rebuilt_because}")
            index.rebuilt_because = ""
        return Answer(
            text=pack.abstention if generation.abstained else generation.text,
            lang=pack.code,
            abstained=generation.abstained,
            citations=() if generation.abstained else generation.citations,
            hits=evidence.hits,
            model=generation.model,
            embedder=f"{self.retriever.embedder.name} ({self.retriever.embedder.engine})",
            warnings=tuple(dict.fromkeys(warnings)),
            confidence=generation.confidence,
            prompt_tokens=generation.prompt_tokens,
            output_tokens=generation.output_tokens,
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
