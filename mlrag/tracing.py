"""Where the seconds of a question go, told to a tracer where the process has one (in the service: OpenTelemetry).

Spans carry steps, seconds and plain facts; never a question, a passage or an answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Protocol

Fact = str | bool | int | float


class TraceSpan(Protocol):
    """What OpenTelemetry's spans have."""

    def set_attributes(self, attributes: Mapping[str, Fact]) -> None: ...
    def end(self, end_time: int | None = None) -> None: ...


class Tracer(Protocol):
    """What OpenTelemetry's tracers have. Times are nanoseconds of the wall clock."""

    def start_span(self, name: str, *, start_time: int | None = None) -> TraceSpan: ...


tracer: ContextVar[Tracer | None] = ContextVar("tracer", default=None)
request_span: ContextVar[TraceSpan | None] = ContextVar("request_span", default=None)


def step(name: str, seconds: float) -> None:
    """A span that ends now and lasted `seconds`, inside the span at hand."""
    if (to := tracer.get()) is not None:
        now = time.time_ns()
        to.start_span(name, start_time=now - round(seconds * 1e9)).end(now)


def tell(facts: Mapping[str, Fact]) -> None:
    """Facts about the request at hand."""
    if (span := request_span.get()) is not None:
        span.set_attributes(facts)
