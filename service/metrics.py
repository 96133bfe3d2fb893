"""The Prometheus metrics of /metrics, by language."""

from __future__ import annotations

from anyio import Semaphore
from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from mlrag.types import Answer, Warning

_RETRIEVAL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_MODEL_BUCKETS = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_RETRIEVAL_STEPS = ("embed", "retrieve", "retrieve_elsewhere")
_ESCALATION_OUTCOMES = {"escalated": "done", "escalation_failed": "failed"}
_WRONG_LANGUAGE = Warning("retried", "wrong_language")


class Metrics:
    """The counts of one service. Languages come from the packs, so that callers cannot create series.

    Args:
        slots: The semaphore of running questions.
        max_running: How many slots it has in all.
    """

    def __init__(self, slots: Semaphore, max_running: int) -> None:
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
            "mlrag_retrieval_seconds",
            "Embedding and search of a question.",
            ["lang"],
            registry=r,
            buckets=_RETRIEVAL_BUCKETS,
        )
        self._model = Histogram(
            "mlrag_model_seconds", "The generator, retries included.", ["lang"], registry=r, buckets=_MODEL_BUCKETS
        )
        self._replies = Counter("mlrag_http_replies", "Replies by HTTP status.", ["status"], registry=r)
        running = Gauge("mlrag_questions_running", "Questions being answered now.", registry=r)
        running.set_function(lambda: max_running - slots.value)
        waiting = Gauge("mlrag_questions_waiting", "Questions waiting for a free slot now.", registry=r)
        waiting.set_function(lambda: slots.statistics().tasks_waiting)

    def count_answer(self, answer: Answer) -> None:
        """Count one answer. One from the cache took no search, model or tokens."""
        lang, cached = answer.lang, answer.age is not None
        self._questions.labels(lang).inc()
        # Counters are touched even where nothing is added, so that their series exist from the first answer on.
        self._abstentions.labels(lang).inc(answer.abstained)
        self._cached.labels(lang).inc(cached)
        self._retries.labels(lang).inc(0 if cached else answer.warnings.count(_WRONG_LANGUAGE))
        if cached:
            return
        self._count_route(answer)
        retrieval = [answer.timings[step] for step in _RETRIEVAL_STEPS if step in answer.timings]
        if retrieval:
            self._retrieval.labels(lang).observe(sum(retrieval))
        if "generate" in answer.timings:
            self._model.labels(lang).observe(answer.timings["generate"])
        usage = answer.usage
        self._tokens.labels(lang, "prompt").inc(usage.prompt_tokens or 0)
        self._tokens.labels(lang, "output").inc(usage.output_tokens or 0)
        self._tokens.labels(lang, "thinking").inc(usage.thinking_tokens or 0)

    def _count_route(self, answer: Answer) -> None:
        for warning in answer.warnings:
            if warning.code == "routed":
                self._routed.labels(answer.lang, warning.detail).inc()
            elif warning.code in _ESCALATION_OUTCOMES or warning.code == "not_escalated":
                outcome = _ESCALATION_OUTCOMES.get(warning.code, warning.detail)
                self._escalations.labels(answer.lang, outcome).inc()

    def count_reply(self, status: int) -> None:
        """Count one HTTP reply; status 0: the connection ended before a reply."""
        self._replies.labels(str(status)).inc()


async def metrics_page(request: Request) -> Response:
    """Counts and durations in Prometheus' text format."""
    metrics: Metrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
