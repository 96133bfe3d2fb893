"""The app factory, and the function that serves the app until it is stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import mlrag
from mlrag.embedding.base import Embedder
from mlrag.factory import make_keys
from mlrag.settings import Settings
from service.dependencies import Dependencies
from service.errors import add_error_handlers
from service.middleware import add_middleware
from service.middleware.access_log import configure_logging
from service.middleware.auth import check_binding
from service.routes import ask, corpora, health, openai, pages, reference, reports
from service.schemas.error_responses import COMMON_ERRORS
from service.shutdown import serve

_DESCRIPTION = """Answers from your own documents, in the language of the question, with verbatim citations.

Every error is `{"error": {"code", "message", "hint"}}`; `code` is stable."""


def create_app(settings: Settings, *, heartbeat: float = 10.0, embedder: Embedder | None = None) -> FastAPI:
    """Create the service for one set of settings.

    Args:
        heartbeat: Seconds of silence after which a stream sends a comment, so that proxies keep it open.
        embedder: One that is loaded already; by default it is made from the settings.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.dependencies = dependencies = Dependencies(settings, metrics, heartbeat, embedder)
        yield
        dependencies.close()
        if hasattr(app.state, "spans"):
            app.state.spans.shutdown()

    app = FastAPI(
        title="mlrag",
        version=mlrag.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=COMMON_ERRORS,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for routes in (ask, openai, corpora, reports, health, pages, reference):
        app.include_router(routes.router)
    add_error_handlers(app)
    metrics = add_middleware(app, settings)
    return app


def run(settings: Settings, embedder: Embedder | None = None) -> None:
    """Serve until stopped; print the address and a command to try. Running answers get `grace` seconds to end.

    Raises SettingsError where other machines could reach the service without a key.
    """
    from rich.console import Console

    keys = make_keys(settings)
    check_binding(settings, keys)
    configure_logging(settings)
    address = f"http://{settings.host}:{settings.port}"
    key_header = "-H 'Authorization: Bearer KEY' " if keys.read() else ""
    console = Console(stderr=True)
    console.print(f"mlrag answers at {address}  (Ctrl-C stops it). Try:", markup=False)
    console.print(
        f"  curl -G {address}/ask {key_header}-d lang=ta --data-urlencode 'q=டெங்கு கொசு எப்போது கடிக்கும்?'",
        markup=False,
        soft_wrap=True,
    )
    serve(create_app(settings, embedder=embedder), settings)
