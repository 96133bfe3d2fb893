"""OpenTelemetry: one span per request, with the steps of its question; on where OTEL_EXPORTER_OTLP_ENDPOINT is set."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlrag import tracing
from mlrag.errors import PrivacyError, SettingsError
from mlrag.factory import is_remote
from mlrag.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def endpoint() -> str:
    """Return where spans are sent, by OpenTelemetry's own variables; "" sends none."""
    return next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")


def make_tracer_provider(settings: Settings) -> TracerProvider:
    """Make a provider that sends spans to `endpoint()` in the background.

    Raises SettingsError without the extra; PrivacyError where that is another machine and the settings forbid it.
    """
    host = urlsplit(endpoint()).hostname or ""
    if settings.private and is_remote(host, settings):
        raise PrivacyError(
            f"spans would be sent to {host}, and `private` forbids it",
            "name it in `local_hosts` if it is yours, or unset OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed",
            "install it with .venv/bin/pip install -e '.[otel]', or unset it",
        ) from error
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "mlrag")})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Tracing:
    """Records a span per request, in the caller's trace where it names one (W3C `traceparent`), without the query."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer("mlrag")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        with self._span(scope) as span:
            tokens = tracing.tracer.set(self._tracer), tracing.request_span.set(span)

            async def send_with_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_with_status)
            finally:
                tracing.tracer.reset(tokens[0])
                tracing.request_span.reset(tokens[1])

    def _span(self, scope: Scope) -> AbstractContextManager[Any]:
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"][:200]}
        return self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path'][:200]}", extract(headers), SpanKind.SERVER, attributes
        )
