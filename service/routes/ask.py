"""/ask, in one piece or as a stream, and /search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mlrag.answering.pipeline import Watch
from mlrag.answering.serialize import wire, wire_hits, wire_search
from mlrag.errors import QuestionError
from mlrag.types import Answer
from service.answer_task import AnswerTask, EventStreamResponse
from service.dependencies import Dependencies, Deps
from service.errors import JSON
from service.schemas.error_responses import Responses, errors
from service.schemas.mlrag import (
    EXAMPLE_QUESTION,
    NOT_EMPTY,
    AnswerReply,
    AskRequest,
    FilterMap,
    FilterValue,
    SearchReply,
    SearchRequest,
)
from service.sse import EventEncoder, stream_events

router = APIRouter(tags=["questions"])
FilterList = Annotated[
    list[Annotated[str, Field(json_schema_extra={"pattern": "^[^:]+:"})]] | None,
    Field(
        description="field:value of the documents' front matter; several values of one field: any of them.",
        examples=[["topic:dengue"]],
    ),
]
_FILTER_MAP: TypeAdapter[dict[str, FilterValue]] = TypeAdapter(FilterMap)
_STREAM_EXAMPLE = (
    'event: passages\ndata: {"lang":"ta","question":"…","hits":[…]}\n\n'
    'event: text\ndata: {"text":"இந்த கொசு பெரும்பாலும் "}\n\n'
    'event: text\ndata: {"text":"பகல் நேரத்தில் கடிக்கும்."}\n\n'
    'event: answer\ndata: {"text":"இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும்.","lang":"ta",…}\n\n'
)
_ANSWER_RESPONSES: Responses = {
    200: {
        "model": AnswerReply,
        "description": "The answer; on request as server-sent events: passages, text, restart, answer or error.",
        "content": {"text/event-stream": {"example": _STREAM_EXAMPLE}},
    },
    **errors(404, 409, 502),
}
_SEARCH_RESPONSES: Responses = {
    200: {"model": SearchReply, "description": "The retrieved passages."},
    **errors(404, 409),
}


class SearchParams(BaseModel):
    """The query of GET /search."""

    q: Annotated[str, Field(description="The question.", examples=[EXAMPLE_QUESTION], json_schema_extra=NOT_EMPTY)] = ""
    lang: Annotated[str | None, Field(description="Its language; detected by default.", examples=["ta"])] = None
    k: Annotated[int | None, Field(ge=1, le=50, description="How many passages to retrieve.")] = None
    filters: FilterList = None
    explain: Annotated[bool, Field(description="Add the scores of both rankers.")] = False


class AskParams(SearchParams):
    """The query of GET /ask."""

    variant: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    think: Annotated[bool | None, Field(description="Let the model think first.")] = None
    cross_language: Annotated[bool | None, Field(description="Search other languages too.")] = None
    stream: Annotated[bool, Field(description="Reply with server-sent events.")] = False


def normalize_filters(filters: Mapping[str, FilterValue]) -> dict[str, list[str]]:
    """Return the values of every field as the texts by which they are compared."""
    texts: dict[str, list[str]] = {}
    for name, value in filters.items():
        values = value if isinstance(value, list) else [value]
        texts[name] = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    return texts


def _parse_filters(filters: Sequence[str]) -> dict[str, FilterValue]:
    """Parse filters, ["topic:dengue"] -> {"topic": ["dengue"]}. Raises QuestionError."""
    values: dict[str, list[str]] = {}
    for item in filters:
        name, colon, value = item.partition(":")
        if not colon or not name:
            raise QuestionError(f"filters={item!r} is no field:value", "for example: filters=topic:dengue")
        values.setdefault(name, []).append(value)
    try:
        return _FILTER_MAP.validate_python(values)
    except ValidationError as error:
        raise QuestionError(f"filters: {error.errors()[0]['msg']}") from error


def start_answer(deps: Dependencies, body: AskRequest) -> AnswerTask:
    """Start to answer a question in a worker thread."""
    pipeline = deps.get_pipeline(body.variant, body.think)

    def answer_question(watch: Watch) -> Answer:
        return pipeline.ask(
            body.q,
            body.lang or None,
            fresh=body.explain,
            k=body.k,
            filters=normalize_filters(body.filters),
            cross_language=body.cross_language,
            earlier=tuple(turn.to_message() for turn in body.turns),
            watch=watch,
        )

    return AnswerTask(answer_question, deps.limiter, partial(pipeline.record, body.q))


async def _answer(deps: Dependencies, body: AskRequest, request: Request) -> Response:
    task = start_answer(deps, body)
    if not (body.stream or "text/event-stream" in request.headers.get("accept", "")):
        answer, evidence = await task.wait_answer(request)
        return JSON(wire(answer, evidence if body.explain and answer.hits else ()))
    first = await task.first_event(request, deps.heartbeat)
    is_filtered = deps.get_pipeline(body.variant, body.think).pipeline.filtered
    encoder = EventEncoder(body.explain, is_filtered, body.q)
    return EventStreamResponse(stream_events(task, first, encoder, deps.heartbeat), task)


@router.get("/ask", response_class=JSON, responses=_ANSWER_RESPONSES)
async def ask_get(deps: Deps, request: Request, params: Annotated[AskParams, Query()]) -> Response:
    """Answer one question."""
    body = AskRequest(**params.model_dump(exclude={"filters"}), filters=_parse_filters(params.filters or ()))
    return await _answer(deps, body, request)


@router.post("/ask", response_class=JSON, responses=_ANSWER_RESPONSES | errors(400))
async def ask_post(deps: Deps, request: Request, body: AskRequest) -> Response:
    """Answer one question, given as JSON, with the conversation that it continues."""
    return await _answer(deps, body, request)


async def _search(deps: Dependencies, body: SearchRequest) -> Response:
    pipeline = deps.get_pipeline().pipeline
    search = partial(pipeline.search, body.q, body.lang, k=body.k, filters=normalize_filters(body.filters))
    evidence = await anyio.to_thread.run_sync(search, limiter=deps.limiter)
    reply: dict[str, Any] = {
        "lang": evidence.lang,
        "question": evidence.question,
        "embedder": f"{deps.retriever.embedder.name} ({deps.retriever.embedder.engine})",
        "hits": wire_hits(evidence.hits),
    }
    if body.explain:
        reply["explanation"] = wire_search(evidence)
    return JSON(reply)


@router.get("/search", response_class=JSON, responses=_SEARCH_RESPONSES)
async def search_get(deps: Deps, params: Annotated[SearchParams, Query()]) -> Response:
    """Passages only, in one language; no generator is asked."""
    body = SearchRequest(**params.model_dump(exclude={"filters"}), filters=_parse_filters(params.filters or ()))
    return await _search(deps, body)


@router.post("/search", response_class=JSON, responses=_SEARCH_RESPONSES | errors(400))
async def search_post(deps: Deps, body: SearchRequest) -> Response:
    """Passages only, in one language; no generator is asked."""
    return await _search(deps, body)
