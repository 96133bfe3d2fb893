"""The HTTP front door: an app factory, and the command that serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

import mlrag
from mlrag.settings import Settings
from service.errors import handle_errors
from service.parts import Parts
from service.routes import ask, corpora, health, openai, reports

_ABOUT = """Answers from your own documents, in the language of the question, with citations that are verbatim.

Every error is `{"error": {"code", "message", "hint"}}`; `code` is stable."""


def create_app(settings: Settings, *, middleware: Sequence[Middleware] = (), heartbeat: float = 10.0) -> FastAPI:
    """The service over one set of settings.

    `middleware` is put around all routes, the first outermost: the place of authentication, limits and metrics. It
    must be pure ASGI, and hand `receive` on, else streams cannot tell that a client is gone. `heartbeat`: seconds of
    silence after which a stream says that it is alive.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.parts = Parts(settings, heartbeat)
        yield
        app.state.parts.jobs.close()

    app = FastAPI(
        title="mlrag",
        version=mlrag.__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        middleware=list(middleware),
    )
    for routes in (ask, openai, corpora, reports, health):
        app.include_router(routes.router)
    handle_errors(app)
    return app


def run(settings: Settings) -> None:
    """Serve until stopped; prints where, and a line to try."""
    import uvicorn
    from rich.console import Console

    address = f"http://{settings.host}:{settings.port}"
    show = Console(stderr=True)
    show.print(f"mlrag answers at {address}  (Ctrl-C stops it). Try:", markup=False)
    show.print(
        f"  curl -G {address}/ask -d lang=ta --data-urlencode 'q=டெங்கு கொசு எப்போது கடிக்கும்?'",
        markup=False,
        soft_wrap=True,
    )
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, access_log=False, log_level="warning")
