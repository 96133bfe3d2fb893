"""The HTTP front door: an app factory, and the command that serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import mlrag
from mlrag.embedding.base import Embedder
from mlrag.factory import make_keys
from mlrag.settings import Settings
from service.dependencies import Parts
from service.direct import Shortcut
from service.errors import handle_errors
from service.memory import returned
from service.middleware import guard
from service.middleware.access_log import configure
from service.middleware.auth import check_binding
from service.routes import ask, corpora, health, openai, pages, reference, reports
from service.schemas.error_responses import EVERYWHERE
from service.shutdown import serve

_ABOUT = """Answers from your own documents, in the language of the question, with citations that are verbatim.

Every error is `{"error": {"code", "message", "hint"}}`; `code` is stable."""


def create_app(settings: Settings, *, heartbeat: float = 10.0, embedder: Embedder | None = None) -> FastAPI:
    """The service over one set of settings. `heartbeat`: seconds of silence after which a stream says it is alive;
    `embedder`: one that is loaded already."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.parts = parts = Parts(settings, metrics, heartbeat, embedder)
        async with returned():
            yield
        parts.close()
        if hasattr(app.state, "spans"):
            app.state.spans.shutdown()

    app = FastAPI(
        title="mlrag",
        version=mlrag.__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=EVERYWHERE,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for routes in (ask, openai, corpora, reports, health, pages, reference):
        app.include_router(routes.router)
    app.add_middleware(Shortcut, routes=ask.router.routes)
    handle_errors(app)
    metrics = guard(app, settings)
    return app


def run(settings: Settings, embedder: Embedder | None = None) -> None:
    """Serve until stopped; prints where, and a line to try. Running answers get `grace` seconds to end.

    Raises SettingsError where the service would stand open to other machines.
    """
    from rich.console import Console

    keys = make_keys(settings)
    check_binding(settings, keys)
    configure(settings)
    address = f"http://{settings.host}:{settings.port}"
    sign = "-H 'Authorization: Bearer KEY' " if keys.read() else ""
    show = Console(stderr=True)
    show.print(f"mlrag answers at {address}  (Ctrl-C stops it). Try:", markup=False)
    show.print(
        f"  curl -G {address}/ask {sign}-d lang=ta --data-urlencode 'q=டெங்கு கொசு எப்போது கடிக்கும்?'",
        markup=False,
        soft_wrap=True,
    )
    serve(create_app(settings, embedder=embedder), settings)
