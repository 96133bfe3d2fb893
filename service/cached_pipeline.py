"""A pipeline with an answer cache before it, which counts and logs every answer."""

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

_log = logging.getLogger("mlrag.ask")


def reject_file_variant(variant: str, settings: Settings) -> None:
    """Refuse a variant that names a model file, unless the settings name it: callers must not reach our disk.

    Raises QuestionError for such a file, ValueError for a name that is no variant.
    """
    plain = parse_variant(with_thinking(variant, "off"))
    configured = {with_thinking(name, "off") for name in (settings.variant, *settings.variants)}
    if plain.backend == "llamacpp" and plain.label not in configured:
        raise QuestionError("a request may not name a file", "the operator can give it a name: [variants.NAME]")


@dataclass(frozen=True, slots=True)
class CachedPipeline:
    """`cache` None: every question is answered anew. `log_questions`: their texts are logged too."""

    pipeline: Pipeline
    variant: str
    cache: AnswerCache | None
    metrics: Metrics
    log_questions: bool = False

    def ask(self, question: str, lang: str | None = None, *, fresh: bool = False, **options: Any) -> Answer:
        """Answer as Pipeline.ask does, from the cache where it holds the answer, unless `fresh`.

        A cached answer has an `age`, and is reported to no `watch`.
        """
        if fresh or not self.cache:
            return self.pipeline.ask(question, lang, **options)
        key_options = {name: value for name, value in options.items() if name != "watch"}
        key = self.cache.key(question, lang, self.variant, key_options)
        answer = self.cache.find(key)
        if answer is None:
            answer = self.pipeline.ask(question, lang, **options)
            self.cache.keep(key, answer)
        return answer

    def record(self, question: str, answer: Answer) -> None:
        """Count and log an answer."""
        self.metrics.count_answer(answer)
        fields: dict[str, Any] = {
            "lang": answer.lang,
            "model": answer.model,
            "abstained": answer.abstained,
            "cached": answer.age is not None,
            "warnings": [warning.code for warning in answer.warnings],
            "seconds": answer.timings.get("total"),
        }
        if self.log_questions:
            fields["question"] = question
        _log.info("answer", extra={"fields": fields})
