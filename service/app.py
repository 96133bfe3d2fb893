"""The HTTP front door: an app factory, the routes, and the one place where errors become statuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import orjson
from anyio import CapacityLimiter
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

import mlrag
from mlrag.answer_cache import AnswerCache
from mlrag.assemble import make_embedder, make_pipeline
from mlrag.errors import (
    EmbedderError,
    EmbedderMismatchError,
    ForbiddenLanguageError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    MissingIndexError,
    MlragError,
    PrivacyError,
    QuestionError,
    SettingsError,
    UnknownLanguageError,
)
from mlrag.keys import KeyRing
from mlrag.languages import languages
from mlrag.retrieval import Retriever
from mlrag.settings import Settings
from mlrag.variants import with_thinking
from mlrag.wire import wire
from service.auth import check_binding
from service.guard import guard
from service.headers import nonce
from service.logs import configure
from service.metrics import Metrics
from service.remembering import Asker, keep_from_files

_STATUS: list[tuple[type[MlragError], int]] = [
    (QuestionError, 422),
    (UnknownLanguageError, 404),
    (MissingIndexError, 404),
    (PrivacyError, 403),
    (ForbiddenLanguageError, 403),
    (SettingsError, 422),
    (GeneratorUnavailableError, 503),
    (GeneratorTimeoutError, 504),
    (GeneratorError, 502),
    (EmbedderMismatchError, 409),
    (EmbedderError, 503),
]
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(["html"])
)
_pages.globals["nonce"] = nonce


class JSON(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class Question(BaseModel):
    """The body of POST /ask."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"q": "டெங்கு கொசு எப்போது கடிக்கும்?", "lang": "ta"}]}
    )

    q: str = Field(description="The question.")
    lang: str | None = Field(None, description="Its language, e.g. ta; detected where not given.")
    variant: str | None = Field(
        None, min_length=1, max_length=200, description="Who answers: extractive, e4b, any tag."
    )
    think: bool | None = Field(None, description="Let the model think first.")
    k: int | None = Field(None, ge=1, le=50, description="Passages to look at.")


class Parts:
    """What the routes share: one retriever, one pipeline a variant, bounded work off the event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.retriever = Retriever(settings.index_dir, make_embedder(settings))
        self.metrics = metrics
        self.cache = AnswerCache(settings.cache_file, settings, self.retriever) if settings.cache_answers else None
        self._pipelines: dict[str, Asker] = {}
        self.workers = CapacityLimiter(settings.max_asks)

    def pipeline(self, variant: str | None, think: bool | None) -> Asker:
        name = variant or self.settings.variant
        if think is not None:
            name = with_thinking(name, "on" if think else "off")
        if name not in self._pipelines:
            try:
                keep_from_files(name, self.settings)
                pipeline = make_pipeline(self.settings, self.retriever, name)
            except ValueError as error:
                raise QuestionError(str(error)) from error
            if len(self._pipelines) >= 32:  # names come from requests: keep few
                self._pipelines.clear()
            self._pipelines[name] = Asker(pipeline, name, self.cache, self.metrics, self.settings.log_questions)
        return self._pipelines[name]


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]


async def _answer(parts: Parts, question: Question) -> Response:
    pipeline = parts.pipeline(question.variant, question.think)
    call = partial(pipeline.ask, question.q, question.lang or None, k=question.k)
    return JSON(wire(await anyio.to_thread.run_sync(call, limiter=parts.workers)))


async def ask_get(
    parts: PartsDep,
    q: Annotated[str, Query(description="The question.", examples=["டெங்கு கொசு எப்போது கடிக்கும்?"])] = "",
    lang: Annotated[str | None, Query(description="Its language; detected where not given.")] = None,
    variant: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    think: Annotated[bool | None, Query(description="Let the model think first.")] = None,
    k: Annotated[int | None, Query(ge=1, le=50)] = None,
) -> Response:
    """Answer one question."""
    return await _answer(parts, Question(q=q, lang=lang, variant=variant, think=think, k=k))


async def ask_post(parts: PartsDep, question: Question) -> Response:
    """Answer one question, given as JSON."""
    return await _answer(parts, question)


async def list_languages(parts: PartsDep) -> Response:
    """Every installed language, and whether it has an index."""
    indexed = set(parts.retriever.languages())
    return JSON(
        [
            {
                "code": p.code,
                "name": p.name,
                "endonym": p.endonym,
                "tier": p.tier,
                "direction": p.direction,
                "native_checked": p.native_checked,
                "indexed": p.code in indexed,
            }
            for p in languages().values()
        ]
    )


async def healthz() -> Response:
    """Is the process alive?"""
    return JSON({"status": "ok", "version": mlrag.__version__})


async def readyz(parts: PartsDep) -> Response:
    """Can it answer? 503 until a language has an index."""
    indexed = parts.retriever.languages()
    body = {
        "status": "ready" if indexed else "no index",
        "languages": indexed,
        "variant": parts.settings.variant,
    }
    return JSON(body, status_code=200 if indexed else 503)


async def ask_page(parts: PartsDep, lang: str = "en") -> Response:
    """A plain page to ask on."""
    packs = languages()
    pack = packs.get(lang) or packs["en"]
    indexed = set(parts.retriever.languages())
    shown = [p for p in packs.values() if p.code in indexed] or list(packs.values())
    return HTMLResponse(
        _pages.get_template("ask.html").render(
            pack=pack, packs=shown, names={p.code: p.endonym for p in packs.values()}
        )
    )


def _error(status: int, code: str, message: str, hint: str = "") -> Response:
    return JSON({"error": {"code": code, "message": message, "hint": hint}}, status_code=status)


async def _on_mlrag_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, MlragError)
    status = next((s for kind, s in _STATUS if isinstance(error, kind)), 500)
    return _error(status, error.code, error.message, error.hint)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    bad_json = first["type"] == "json_invalid"
    message = "the body is not valid JSON" if bad_json else f"{where}: {first['msg']}"
    return _error(
        400 if bad_json else 422,
        "bad_json" if bad_json else "bad_request",
        message,
        "GET /docs shows every field",
    )


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, "http", str(error.detail), "GET /docs lists the paths")


def create_app(settings: Settings) -> FastAPI:
    """The service over one set of settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.parts = parts = Parts(settings, metrics)
        yield
        if parts.cache:
            parts.cache.close()

    app = FastAPI(title="mlrag", version=mlrag.__version__, lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.add_api_route("/ask", ask_get, methods=["GET"], response_class=JSON)
    app.add_api_route("/ask", ask_post, methods=["POST"], response_class=JSON)
    app.add_api_route("/languages", list_languages, methods=["GET"], response_class=JSON)
    app.add_api_route("/healthz", healthz, methods=["GET"], response_class=JSON)
    app.add_api_route("/readyz", readyz, methods=["GET"], response_class=JSON)
    app.add_api_route("/", ask_page, methods=["GET"], response_class=HTMLResponse)
    app.add_exception_handler(MlragError, _on_mlrag_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    metrics = guard(app, settings)
    return app


def run(settings: Settings) -> None:
    """Serve until stopped; prints where, and a line to try. Running answers get `grace` seconds to end.

    Raises SettingsError where the service would stand open to other machines.
    """
    import uvicorn
    from rich.console import Console

    keys = KeyRing(settings.keys_file)
    check_binding(settings, keys)
    configure(settings)
    address = f"http://{settings.host}:{settings.port}"
    sign = "-H 'Authorization: Bearer KEY' " if len(keys) else ""
    show = Console(stderr=True)
    show.print(f"mlrag answers at {address}  (Ctrl-C stops it). Try:", markup=False)
    show.print(
        f"  curl -G {address}/ask {sign}-d lang=ta --data-urlencode 'q=டெங்கு கொசு எப்போது கடிக்கும்?'",
        markup=False,
        soft_wrap=True,
    )
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=settings.grace,
    )
