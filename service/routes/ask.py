"""/ask, whole or as a stream, and /search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mlrag.answering.serialize import wire, wire_hits, wire_search
from mlrag.errors import QuestionError
from service.answer_task import Asking, Events
from service.dependencies import Parts, PartsDep
from service.direct import Direct
from service.errors import JSON
from service.schemas.error_responses import Responses, errors
from service.schemas.mlrag import ASKED, NOT_EMPTY, AnswerReply, FilterMap, FilterValue, Question, Search, SearchReply
from service.sse import Told, stream

router = APIRouter(tags=["questions"])
FILTERS = Query(
    description="field:value of the documents' front matter; several values of one field: any of them.",
    examples=[["topic:dengue"]],
)
FILTER_LIST = Annotated[list[Annotated[str, Field(json_schema_extra={"pattern": "^[^:]+:"})]] | None, FILTERS]
_FILTER_MAP: TypeAdapter[dict[str, FilterValue]] = TypeAdapter(FilterMap)
Q = Annotated[str, Query(description="The question.", examples=[ASKED], json_schema_extra=NOT_EMPTY)]
LANG = Annotated[str | None, Query(description="Its language; detected where not given.", examples=["ta"])]
K = Annotated[int | None, Query(ge=1, le=50, description="Passages to look at.")]
EXPLAIN = Annotated[bool, Query(description="Tell what each leg of the search thought of the passages.")]
_STREAMED = (
    'event: passages\ndata: {"lang":"ta","question":"…","hits":[…]}\n\n'
    'event: text\ndata: {"text":"இந்த கொசு பெரும்பாலும் "}\n\n'
    'event: text\ndata: {"text":"பகல் நேரத்தில் கடிக்கும்."}\n\n'
    'event: answer\ndata: {"text":"இந்த கொசு பெரும்பாலும் பகல் நேரத்தில் கடிக்கும்.","lang":"ta",…}\n\n'
)
_ANSWERS: Responses = {
    200: {
        "model": AnswerReply,
        "description": "The answer; as server-sent events where asked for: passages, text, restart, answer or error.",
        "content": {"text/event-stream": {"example": _STREAMED}},
    },
    **errors(404, 409, 502),
}


def plain_filters(filters: Mapping[str, FilterValue]) -> dict[str, list[str]]:
    """Every field's values as the text that they are compared as."""
    return {name: list(map(_text, v if isinstance(v, list) else [v])) for name, v in filters.items()}


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(filters: Sequence[str]) -> dict[str, FilterValue]:
    """ "topic:dengue" -> {"topic": ["dengue"]}. Raises QuestionError."""
    if not filters:
        return {}
    found: dict[str, list[str]] = {}
    for item in filters:
        name, colon, value = item.partition(":")
        if not colon or not name:
            raise QuestionError(f"filters={item!r} is no field:value", "for example: filters=topic:dengue")
        found.setdefault(name, []).append(value)
    try:
        return _FILTER_MAP.validate_python(found)
    except ValidationError as error:
        raise QuestionError(f"filters: {error.errors()[0]['msg']}") from error


def begin(parts: Parts, question: Question) -> Asking:
    """Ask, in a worker thread."""
    asker = parts.asker(question.variant, question.think)

    return Asking(
        lambda watch: asker.ask(
            question.q,
            question.lang or None,
            fresh=question.explain,
            k=question.k,
            filters=plain_filters(question.filters),
            cross_language=question.cross_language,
            earlier=tuple(turn.said() for turn in question.turns),
            watch=watch,
        ),
        parts.workers,
        parts.threads,
        partial(asker.note, question.q),
    )


async def _answer(parts: Parts, question: Question, request: Request) -> Response:
    asking = begin(parts, question)
    if not (question.stream or "text/event-stream" in request.headers.get("accept", "")):
        answer, evidence = await asking.answer(request)
        return JSON(wire(answer, evidence if question.explain and answer.hits else ()))
    first = await asking.first(request, parts.heartbeat)
    filtered = parts.asker(question.variant, question.think).pipeline.filtered
    told = Told(question.explain, filtered, question.q)
    return Events(stream(asking, first, told, parts.heartbeat), asking)


class Asked(BaseModel):
    """The query of GET /ask."""

    q: Q = ""
    lang: LANG = None
    variant: Annotated[str | None, Query(min_length=1, max_length=200)] = None
    think: Annotated[bool | None, Query(description="Let the model think first.")] = None
    k: K = None
    cross_language: Annotated[bool | None, Query(description="Look in other languages too.")] = None
    filters: FILTER_LIST = None
    explain: EXPLAIN = False
    stream: Annotated[bool, Query(description="Server-sent events.")] = False


async def ask_get(asked: Annotated[Asked, Query()], request: Request) -> Response:
    """Answer one question."""
    question = Question.model_validate(asked.__dict__ | {"filters": _listed(asked.filters or ()), "turns": []})
    return await _answer(request.app.state.parts, question, request)


router.add_api_route("/ask", ask_get, response_class=JSON, responses=_ANSWERS, route_class_override=Direct)


@router.post("/ask", response_class=JSON, responses=_ANSWERS | errors(400))
async def ask_post(parts: PartsDep, request: Request, question: Question) -> Response:
    """Answer one question, given as JSON, with the conversation that it goes on with."""
    return await _answer(parts, question, request)


async def _search(parts: Parts, search: Search) -> Response:
    pipeline = parts.asker().pipeline
    call = partial(pipeline.search, search.q, search.lang, k=search.k, filters=plain_filters(search.filters))
    found = await anyio.to_thread.run_sync(call, limiter=parts.workers)
    body: dict[str, Any] = {
        "lang": found.lang,
        "question": found.question,
        "embedder": f"{parts.retriever.embedder.name} ({parts.retriever.embedder.engine})",
        "hits": wire_hits(found.hits),
    }
    if search.explain:
        body["explanation"] = wire_search(found)
    return JSON(body)


_FOUND: Responses = {200: {"model": SearchReply, "description": "The passages found."}, **errors(404, 409)}


@router.get("/search", response_class=JSON, responses=_FOUND)
async def search_get(
    parts: PartsDep,
    q: Q = "",
    lang: LANG = None,
    k: K = None,
    filters: FILTER_LIST = None,
    explain: EXPLAIN = False,
) -> Response:
    """Passages only, in one language; no generator is asked."""
    return await _search(parts, Search(q=q, lang=lang, k=k, filters=_listed(filters or ()), explain=explain))


@router.post("/search", response_class=JSON, responses=_FOUND | errors(400))
async def search_post(parts: PartsDep, search: Search) -> Response:
    """Passages only, in one language; no generator is asked."""
    return await _search(parts, search)
