"""What Prometheus reads at /metrics, by language."""

from __future__ import annotations

from typing import Any, TypeVar

from anyio import Semaphore
from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from mlrag.types import Answer

Metric = TypeVar("Metric", Counter, Histogram)
_RETRIEVAL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_MODEL = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OUTCOMES = {"escalated": "done", "escalation_failed": "failed"}
_WRONG_LANGUAGE = "retried:wrong_language"


class Metrics:
    """One service's counts. Languages come from the packs, so that no caller can make up series."""

    def __init__(self, places: Semaphore, most: int) -> None:
        r = self.registry = CollectorRegistry()
        ProcessCollector(registry=r)
        self._questions = Counter("mlrag_questions", "Questions answered or abstained from.", ["lang"], registry=r)
        self._abstentions = Counter("mlrag_abstentions", "Abstentions and refusals.", ["lang"], registry=r)
        self._retries = Counter(
            "mlrag_wrong_language_retries", "Replies in a wrong language, asked anew.", ["lang"], registry=r
        )
        self._routed = Counter("mlrag_routed", "Answers by the rule of the route.", ["lang", "rule"], registry=r)
        self._escalations = Counter(
            "mlrag_escalations",
            "Refused replies, asked of a stronger variant (done), or not (failed, time, busy, budget).",
            ["lang", "outcome"],
            registry=r,
        )
        self._cached = Counter("mlrag_cache_hits", "Answers from the cache.", ["lang"], registry=r)
        self._tokens = Counter("mlrag_tokens", "Tokens by kind.", ["lang", "kind"], registry=r)
        self._retrieval = Histogram(
            "mlrag_retrieval_seconds", "Embedding and search of a question.", ["lang"], registry=r, buckets=_RETRIEVAL
        )
        self._model = Histogram(
            "mlrag_model_seconds", "The generator, retries included.", ["lang"], registry=r, buckets=_MODEL
        )
        self._replies = Counter("mlrag_http_replies", "Replies by HTTP status.", ["status"], registry=r)
        self._series: dict[tuple[object, ...], Any] = {}
        running = Gauge("mlrag_questions_running", "Questions that have a place now.", registry=r)
        running.set_function(lambda: most - places.value)
        waiting = Gauge("mlrag_questions_waiting", "Questions that wait for a place now.", registry=r)
        waiting.set_function(lambda: places.statistics().tasks_waiting)

    def observe(self, answer: Answer) -> None:
        """Count one answer. One from the cache cost no search, model or tokens."""
        of, lang = self._of, answer.lang
        of(self._questions, lang).inc()
        _add(of(self._abstentions, lang), answer.abstained)
        _add(of(self._cached, lang), answer.age is not None)
        retries = of(self._retries, lang)
        if answer.age is not None:
            return
        _add(retries, answer.warnings.count(_WRONG_LANGUAGE))
        self._count_route(answer)
        found = [answer.timings[step] for step in ("embed", "retrieve", "retrieve_elsewhere") if step in answer.timings]
        if found:
            of(self._retrieval, lang).observe(sum(found))
        if "generate" in answer.timings:
            of(self._model, lang).observe(answer.timings["generate"])
        usage = answer.usage
        _add(of(self._tokens, lang, "prompt"), usage.prompt_tokens)
        _add(of(self._tokens, lang, "output"), usage.output_tokens)
        _add(of(self._tokens, lang, "thinking"), usage.thinking_tokens)

    def _of(self, metric: Metric, *labels: str) -> Metric:
        """The series of these labels. To look one up in the metric costs more than to count."""
        found: Metric | None = self._series.get((metric, *labels))
        if found is None:
            found = self._series[metric, *labels] = metric.labels(*labels)
        return found

    def _count_route(self, answer: Answer) -> None:
        for warning in answer.warnings:
            kind, _, detail = warning.partition(":")
            if kind == "routed":
                self._routed.labels(answer.lang, detail).inc()
            elif kind in _OUTCOMES or kind == "not_escalated":
                self._escalations.labels(answer.lang, _OUTCOMES.get(kind, detail)).inc()

    def replied(self, status: int) -> None:
        """Count one HTTP reply; 0: its caller was cut off."""
        self._of(self._replies, str(status)).inc()


def _add(counter: Counter, amount: int | None) -> None:
    """A series that stays where it is is there all the same."""
    if amount:
        counter.inc(amount)


async def metrics_page(request: Request) -> Response:
    """Counts and durations in Prometheus' text format."""
    metrics: Metrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
