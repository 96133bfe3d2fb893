"""A pipeline that remembers: looks in the cache first, counts and logs every answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from mlrag.answering.cache import AnswerCache
from mlrag.answering.pipeline import Pipeline
from mlrag.errors import QuestionError
from mlrag.models.variants import parse_variant, with_thinking
from mlrag.settings import Settings
from mlrag.types import Answer
from service.metrics import Metrics
from service.middleware.access_log import note

_log = logging.getLogger("mlrag.ask")


def keep_from_files(variant: str, settings: Settings) -> None:
    """Raises QuestionError for a variant that names a file, unless the settings name it: callers see no disk of ours.

    Raises ValueError for a name that is none.
    """
    plain = parse_variant(with_thinking(variant, "off"))
    ours = {with_thinking(name, "off") for name in (settings.variant, *settings.variants)}
    if plain.backend == "llamacpp" and plain.label not in ours:
        raise QuestionError("a request may not name a file", "the operator can give it a name: [variants.NAME]")


@dataclass(frozen=True, slots=True)
class Asker:
    """`cache` None: every question is answered anew. `log_questions`: their texts go to the log."""

    pipeline: Pipeline
    variant: str
    cache: AnswerCache | None
    metrics: Metrics
    log_questions: bool = False

    def ask(self, question: str, lang: str | None = None, *, fresh: bool = False, **options: Any) -> Answer:
        """As Pipeline.ask. An answer from the cache has an `age`; `fresh` wants none, and a `watch` is told nothing."""
        if fresh or not self.cache:
            return self.pipeline.ask(question, lang, **options)
        asked = {name: value for name, value in options.items() if name != "watch"}
        place = self.cache.key(question, lang, self.variant, asked)
        answer = self.cache.find(place)
        if answer is None:
            answer = self.pipeline.ask(question, lang, **options)
            self.cache.keep(place, answer)
        return answer

    def note(self, question: str, answer: Answer) -> None:
        """Count and log an answer."""
        self.metrics.observe(answer)
        fields: dict[str, Any] = {
            "lang": answer.lang,
            "model": answer.model,
            "abstained": answer.abstained,
            "cached": answer.age is not None,
            "warnings": [w.split(":")[0] for w in answer.warnings],
            "seconds": answer.timings.get("total"),
        }
        if self.log_questions:
            fields["question"] = question
        note(_log, "answer", fields)
