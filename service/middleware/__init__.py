"""The middleware stack, in its order."""

from __future__ import annotations

from anyio import Semaphore
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware.cors import CORSMiddleware

from mlrag.factory import make_keys, make_rate_limiter
from mlrag.settings import Settings
from mlrag.state.keys import KeyRing
from service.metrics import Metrics, metrics_page
from service.middleware.access_log import AccessLog
from service.middleware.auth import Auth
from service.middleware.limits import BodyLimit, Deadline, QuestionQueue, RateLimit
from service.middleware.security_headers import SecurityHeaders
from service.tracing import Tracing, endpoint, make_tracer_provider


def add_middleware(app: FastAPI, settings: Settings) -> Metrics:
    """Add the middleware stack and /metrics to an app; return the metrics that the routes count with.

    Raises SettingsError, PrivacyError where spans are asked for and cannot or may not be sent; these and StorageError
    where keys and limits are on a server that cannot or may not be used.
    """
    slots = Semaphore(settings.max_asks)
    metrics = app.state.metrics = Metrics(slots, settings.max_asks)
    app.add_api_route(
        "/metrics",
        metrics_page,
        methods=["GET"],
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"example": 'mlrag_questions_total{lang="ta"} 7.0\n'}}}},
        tags=["service"],
    )
    # The one added last is the outermost.
    app.add_middleware(QuestionQueue, settings=settings, slots=slots)
    app.add_middleware(Deadline, settings=settings)
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(RateLimit, settings=settings, window=make_rate_limiter(settings, "request"))
    app.add_middleware(Auth, settings=settings, keys=KeyRing(make_keys(settings)))
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )
    app.add_middleware(AccessLog, metrics=metrics)
    if endpoint():
        app.state.spans = make_tracer_provider(settings)
        app.add_middleware(Tracing, provider=app.state.spans)
    app.add_middleware(SecurityHeaders, cross_origin=bool(settings.cors_origins))
    return metrics
