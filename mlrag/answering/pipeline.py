"""Answer a question, step by step: detect, screen, search, generate, check, screen, answer or abstain or refuse."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlrag import tracing
from mlrag.answering.checks import WRONG_LANGUAGE, Checked, check
from mlrag.answering.follow_up import JOINED, ResolvedQuestion, resolve, stands_out
from mlrag.answering.retriever import Retriever
from mlrag.errors import GeneratorError, MissingIndexError, QuestionError
from mlrag.generation.base import ESCALATED, ESCALATION_FAILED, FollowUp, Generator, RejectedReply, Request, TextWatch
from mlrag.languages import Language, language
from mlrag.safety.shieldgemma import Screening, ShieldGemma, refusal_text
from mlrag.text.detect import UNKNOWN, detect
from mlrag.text.normalize import clean
from mlrag.types import Answer, Evidence, Generation, Message, Usage, Vectors, Warning

Watch = Callable[[Evidence | str], None]
Filters = Mapping[str, Sequence[str]]  # front matter's field: the values that will do


def _ignore(_seen: Evidence | str) -> None:
    """Ignore what a search finds."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: `hidden` documents are treated as absent, `only` as all there is, `filters` narrow that down."""

    k: int
    hidden: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    filters: Filters = field(default_factory=dict)
    cross_language: bool = True


@dataclass(slots=True)
class Clock:
    """The cost of one question: wall seconds by step, what its model calls counted, and the hosts they went to."""

    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    usage: Usage = field(default_factory=Usage)
    hosts: set[str] = field(default_factory=set)
    escalated: bool = False
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self.seconds[step] = round(self.seconds.get(step, 0.0) + seconds, 6)
        tracing.step(step, seconds)

    def record_call(self, generation: Generation) -> None:
        """Add one call of the generator."""
        self.usage = self.usage.and_then(generation.usage)
        self.hosts.add(generation.host)
        self.escalated |= any(w.code in (ESCALATED, ESCALATION_FAILED) for w in generation.warnings)
        self.lap("generate")


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
        filter: ShieldGemma | None = None,
    ) -> None:
        self.retriever = retriever
        self.generator = generator
        self._k = k
        self._cross_language = cross_language
        self._max_question = max_question
        self._timeout = timeout
        self._is_remote = is_remote
        self._filter = filter

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        k: int | None = None,
        hidden: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        filters: Filters | None = None,
        cross_language: bool | None = None,
        earlier: tuple[Message, ...] = (),
        watch: Watch = _ignore,
    ) -> Answer:
        """Answer a question from the documents of `lang` (detected where not given).

        `hidden` documents are treated as absent, `only` as all there is, `filters` keep those whose front matter has
        one of the values in each field. `earlier`: the conversation that the question goes on with. `watch` is told
        the evidence of each search, then the answer as it comes, unchecked (TextWatch says how; with a safety filter
        it comes as "", unread), and may raise StoppedError. Raises QuestionError, UnknownLanguageError,
        MissingIndexError, GeneratorError.
        """
        clock = Clock()
        question, pack = self._understand(question, lang, earlier)
        crosses = self._cross_language and not hidden and only is None if cross_language is None else cross_language
        scope = Scope(k or self._k, hidden, only, filters or {}, crosses)
        resolved = self._resolve(question, pack, earlier, clock, watch)
        screened = resolved.joined or resolved.question
        before, after = self._screen(pack, clock, screened), Screening()
        if before.refusal:
            answer = self._refuse_question(pack)
        else:
            answer = self._find(resolved, pack, scope, clock, watch)
            after = Screening() if answer.abstained else self._screen(pack, clock, screened, answer.text)
        answer = self._apply_screenings(answer, pack, before, after)
        tracing.tell({"mlrag.lang": answer.lang, "mlrag.model": answer.model, "mlrag.abstained": answer.abstained})
        return replace(
            answer,
            timings=clock.seconds | {"total": round(sum(clock.seconds.values()), 6)},
            usage=clock.usage,
            left_machine=answer.left_machine or any(map(self._is_remote, clock.hosts)),
            standalone_question=resolved.question if resolved.rewritten else "",
            warnings=(*resolved.warnings, *answer.warnings),
        )

    def search(
        self, question: str, lang: str | None = None, *, k: int | None = None, filters: Filters | None = None
    ) -> Evidence:
        """What would be answered from, in `lang` (detected where not given). Raises as `ask` does."""
        question, pack = self._understand(question, lang, ())
        scope = Scope(k or self._k, filters=filters or {})
        return self._search(question, pack.code, scope, self.retriever.embed(question))

    @property
    def filtered(self) -> bool:
        """Does a safety filter screen what is asked and answered?"""
        return self._filter is not None

    def _resolve(
        self, question: str, pack: Language, earlier: tuple[Message, ...], clock: Clock, watch: TextWatch
    ) -> ResolvedQuestion:
        follow_up = FollowUp(pack, question, earlier, clock.begun + self._timeout, watch)
        resolved = resolve(self.generator, follow_up, self._max_question)
        if earlier:
            clock.lap("rewrite")
        return resolved

    def _understand(self, question: str, lang: str | None, earlier: tuple[Message, ...]) -> tuple[str, Language]:
        question = clean(question).strip()
        if not question:
            raise QuestionError("the question is empty", "say what you want to know")
        if len(question) > self._max_question:
            raise QuestionError(f"the question has {len(question)} characters; {self._max_question} is the limit")
        code = lang or detect(question)
        if code == UNKNOWN and earlier:
            code = detect("\n".join(s.text for s in earlier if s.role == "user"))
        if code == UNKNOWN:
            raise QuestionError("the language of the question cannot be told", "say it, e.g. lang=ta")
        return question, language(code)

    def _find(
        self,
        resolved: ResolvedQuestion,
        pack: Language,
        scope: Scope,
        clock: Clock,
        watch: Watch,
    ) -> Answer:
        vectors = [self.retriever.embed(query) for query in resolved.queries]
        clock.lap("embed")
        found = [self._search(q, pack.code, scope, v) for q, v in zip(resolved.queries, vectors, strict=True)]
        evidence = stands_out(found)
        clock.lap("retrieve")
        watch(evidence)
        answer = self._answer(pack, evidence, clock, watch)
        if answer.abstained and scope.cross_language:
            try:
                answer = self._answer_elsewhere(pack, evidence, scope, clock, watch) or answer
            except GeneratorError as error:  # what the asked language holds is said all the same
                answer = replace(answer, warnings=(*answer.warnings, Warning("elsewhere_failed", error.code)))
        joined = bool(resolved.joined) and evidence.question == resolved.joined
        return replace(answer, warnings=(JOINED, *answer.warnings)) if joined else answer

    def _search(self, question: str, lang: str, scope: Scope, vector: Vectors) -> Evidence:
        only = scope.only
        if scope.filters:
            matching = self.retriever.find_matching(lang, scope.filters)
            only = matching if only is None else only & matching
        return self.retriever.search(question, lang, scope.k, scope.hidden, only, vector)

    def _screen(self, pack: Language, clock: Clock, question: str, answer: str | None = None) -> Screening:
        if self._filter is None:
            return Screening()
        if answer is None:
            screening = self._filter.screen_question(question, pack.code)
        else:
            screening = self._filter.screen_answer(question, answer, pack.code)
        clock.lap("screen")
        return screening

    def _refuse_question(self, pack: Language) -> Answer:
        """Return the empty answer to a question that the filter refused."""
        model = self._filter.model.label() if self._filter else ""
        return Answer("", pack.code, True, (), (), model, self._describe_embedder())

    def _apply_screenings(self, answer: Answer, pack: Language, *screenings: Screening) -> Answer:
        """Return the answer, or a refusal without sources in its place, with the warnings of the filter."""
        warnings = dict.fromkeys((*answer.warnings, *(w for s in screenings for w in s.warnings)))
        away = any(self._is_remote(host) for s in screenings for host in s.hosts)
        answer = replace(answer, warnings=tuple(warnings), left_machine=answer.left_machine or away)
        refusal = next((s.refusal for s in screenings if s.refusal), "")
        if not refusal:
            return answer
        text = refusal_text(pack, refusal)
        return replace(answer, text=text, abstained=True, citations=(), hits=(), confidence=None, thinking="")

    def _answer(self, pack: Language, evidence: Evidence, clock: Clock, watch: TextWatch) -> Answer:
        """Generate an answer and check it; on a problem retry once, saying what was wrong; then abstain."""
        if not evidence.hits:
            nothing = Generation("", self.generator.name, abstained=True, warnings=(Warning("no_passages"),))
            return self._compose(pack, evidence, Checked(nothing), [])
        warnings: list[Warning] = []
        request = Request(pack, evidence, until=clock.begun + self._timeout, watch=self._hide_unscreened(watch))
        generation = self.generator.generate(request)
        clock.record_call(generation)
        checked = check(generation, evidence, pack)
        if checked.problem:
            warnings.append(Warning("retried", str(checked.problem)))
            watch("")
            firm = "firmer" if checked.problem.code == WRONG_LANGUAGE else "grounded"
            refused = RejectedReply(generation, checked.problem, not clock.escalated)
            generation = self.generator.generate(replace(request, firm=firm, refused=refused))
            clock.record_call(generation)
            checked = check(generation, evidence, pack)
        if checked.problem:
            warnings.append(Warning("abstained", str(checked.problem)))
        clock.lap("check")
        return self._compose(pack, evidence, checked, warnings)

    def _hide_unscreened(self, watch: TextWatch) -> TextWatch:
        """Hide text that has not passed the filter from the watch, which may still stop the model."""
        return watch if self._filter is None else lambda _text: watch("")

    def _compose(self, pack: Language, evidence: Evidence, checked: Checked, warnings: list[Warning]) -> Answer:
        generation = checked.generation
        abstained = generation.abstained or checked.problem is not None
        warnings += generation.warnings if abstained else (*generation.warnings, *checked.warnings)
        redacted = sum(h.title_redacted + sum(span.certain for span in h.redacted) for h in evidence.hits)
        warnings += [Warning("prompt_injection_redacted", str(redacted))] if redacted else []
        index = self.retriever.index(evidence.lang)
        if index.rebuilt_because:
            warnings.append(Warning("index_rebuilt", index.rebuilt_because))
            index.rebuilt_because = ""
        return Answer(
            text=pack.abstention if abstained else generation.text,
            lang=pack.code,
            abstained=abstained,
            citations=() if abstained else generation.citations,
            hits=evidence.hits,
            model=generation.model,
            embedder=self._describe_embedder(),
            warnings=tuple(dict.fromkeys(warnings)),
            confidence=generation.confidence,
            host=generation.host,
            thinking=generation.thinking,
            left_machine=any(map(self._is_remote, (generation.host, *self.retriever.hosts))),
        )

    def _describe_embedder(self) -> str:
        return f"{self.retriever.embedder.name} ({self.retriever.embedder.engine})"

    def _answer_elsewhere(
        self, pack: Language, evidence: Evidence, scope: Scope, clock: Clock, watch: Watch
    ) -> Answer | None:
        """Return the best answer from documents in another language, with a warning; None without one."""
        found = []
        for other in self.retriever.languages():
            if other == pack.code:
                continue
            try:
                found.append(self._search(evidence.question, other, scope, evidence.query_vector))
            except MissingIndexError:
                continue
        clock.lap("retrieve_elsewhere")
        best = stands_out(found) if found else evidence
        if best is evidence or not best.hits:
            return None
        watch(best)
        answer = self._answer(pack, best, clock, watch)
        if answer.abstained:
            return None
        return replace(answer, warnings=(*answer.warnings, Warning("other_language", best.lang)))
