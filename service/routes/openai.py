"""OpenAI's protocol, so that its clients work unchanged: a variant is a model, an answer is a completion."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import numpy as np
from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response

from mlrag.answering.serialize import wire
from mlrag.errors import QuestionError
from mlrag.models.variants import family
from mlrag.text.sentences import sentence_spans
from mlrag.types import Answer, Vectors
from service.answer_task import AnswerEvent, AnswerTask, EventStreamResponse
from service.dependencies import Dependencies, Deps
from service.errors import JSON, describe_error
from service.routes.ask import start_answer
from service.schemas.error_responses import errors
from service.schemas.openai import ChatRequest, Completion, EmbeddingList, EmbeddingsRequest, ModelCard, ModelList
from service.sse import HEARTBEAT, SentText, encode_event

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
_DONE = b"data: [DONE]\n\n"


def _model_names(deps: Dependencies) -> list[str]:
    names = ["extractive", "auto", *family(), *deps.settings.variants, deps.settings.variant]
    return list(dict.fromkeys([*names, deps.settings.embedder]))


def _model_card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "mlrag"}


@router.get("/models", response_class=JSON, responses={200: {"model": ModelList}})
async def list_models(deps: Deps) -> Response:
    """The models that may be asked, by name, and the embedder. A model in the list need not be installed."""
    return JSON({"object": "list", "data": [_model_card(name) for name in _model_names(deps)]})


@router.get("/models/{name:path}", response_class=JSON, responses={200: {"model": ModelCard}, **errors(404)})
async def get_model(deps: Deps, name: Annotated[str, Path(examples=["extractive"])]) -> Response:
    """One model of the list."""
    if name not in _model_names(deps):
        raise HTTPException(404, f"no model {name!r}")
    return JSON(_model_card(name))


def with_footnotes(answer: Answer) -> str:
    """Return the text with a mark behind each cited part, and below it the documents that the marks name."""
    numbers: dict[str, int] = {}
    marks: dict[int, list[int]] = {}
    for citation in answer.citations:
        number = numbers.setdefault(citation.doc_id, len(numbers) + 1)
        marks_here = marks.setdefault(citation.answer_end, [])
        if number not in marks_here:
            marks_here.append(number)
    text, end = "", 0
    for mark_end, marks_here in sorted(marks.items()):
        text += answer.text[end:mark_end].rstrip() + " " + "".join(f"[{n}]" for n in marks_here)
        end = mark_end
    text += answer.text[end:]
    titles = {hit.passage.doc_id: hit.passage.title for hit in answer.hits}
    notes = []
    for doc_id, number in numbers.items():
        title = titles.get(doc_id)
        notes.append(f"[{number}] {title} ({doc_id})" if title else f"[{number}] {doc_id}")
    return "\n\n".join([text, "\n".join(notes)]) if notes else text


def _content(answer: Answer, body: ChatRequest) -> str:
    return with_footnotes(answer) if body.mlrag.footnotes else answer.text


def _usage(answer: Answer) -> dict[str, int] | None:
    """Return the token counts; None where the backend does not report them, or there is no model."""
    prompt, output = answer.usage.prompt_tokens, answer.usage.output_tokens
    if prompt is None or output is None:
        return None
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


def _head(body: ChatRequest, kind: str) -> dict[str, Any]:
    completion_id = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": completion_id, "object": kind, "created": int(time.time()), "model": body.model}


@router.post(
    "/chat/completions",
    response_class=JSON,
    responses={200: {"model": Completion, "content": {"text/event-stream": {}}}, **errors(400, 404, 409, 502)},
)
async def chat(deps: Deps, request: Request, body: ChatRequest) -> Response:
    """Answer the last message from the documents; `mlrag` in the reply is the answer as /ask gives it."""
    if body.messages[-1].role != "user":
        raise QuestionError("the last message is no user's", "end with the question")
    task = start_answer(deps, body.to_request())
    if body.stream:
        first = await task.first_event(request, deps.heartbeat)
        return EventStreamResponse(_stream_chunks(task, first, body, deps.heartbeat), task)
    answer, _ = await task.wait_answer(request)
    message = {"role": "assistant", "content": _content(answer, body), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return JSON(_head(body, "chat.completion") | {"choices": [choice], "usage": _usage(answer), "mlrag": wire(answer)})


async def _stream_chunks(
    task: AnswerTask, first: AnswerEvent | None, body: ChatRequest, heartbeat: float
) -> AsyncIterator[bytes]:
    """Yield the checked text, one sentence at a time: this protocol cannot take back what was sent.

    Unchecked text, where it is asked for, is sent as the model writes it.
    """
    head = _head(body, "chat.completion.chunk")

    def encode_chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return encode_event(head | {"choices": [choice]} | more)

    def encode_step(text: str) -> Iterator[bytes]:
        restart, addition = sent.advance(text)
        if restart:
            yield encode_chunk({}, mlrag={"restart": True})
        if addition:
            yield encode_chunk({"content": addition})

    yield encode_chunk({"role": "assistant", "content": ""})
    sent = SentText()
    event: AnswerEvent | Exception | None = first
    while not isinstance(event, Answer | Exception):
        if event is None:
            yield HEARTBEAT
        elif isinstance(event, str) and body.mlrag.unchecked:
            for chunk in encode_step(event):
                yield chunk
        event = await task.next_event(heartbeat)
    if isinstance(event, Exception):
        yield encode_event(describe_error(event)[1])
        return
    text = _content(event, body)
    sentence_ends = [] if sent.text else [span.end for span in sentence_spans(text)[:-1]]
    for end in [*sentence_ends, len(text)]:
        for chunk in encode_step(text[:end]):
            yield chunk
    yield encode_chunk({}, "stop", mlrag=wire(event))
    if body.stream_options and body.stream_options.include_usage:
        yield encode_event(head | {"choices": [], "usage": _usage(event)})
    yield _DONE


@router.post("/embeddings", response_class=JSON, responses={200: {"model": EmbeddingList}, **errors(400, 404)})
async def embeddings(deps: Deps, body: EmbeddingsRequest) -> Response:
    """Unit vectors of the configured embedder. `usage` is null: it counts no tokens."""
    embedder = deps.retriever.embedder
    if body.model not in (deps.settings.embedder, embedder.name):
        raise HTTPException(404, f"no embedding model {body.model!r}; this service has {deps.settings.embedder!r}")
    texts = [body.input] if isinstance(body.input, str) else body.input
    limit = deps.settings.max_question * 10
    if any(len(text) > limit for text in texts):
        raise QuestionError(f"a text of input is longer than {limit} characters", "shorten it, or send it in pieces")
    if body.dimensions not in (None, embedder.dim):
        raise QuestionError(f"dimensions must be {embedder.dim}, as {embedder.name} has them")
    encode = embedder.encode_query if body.input_type == "query" else embedder.encode_document
    vectors = await anyio.to_thread.run_sync(encode, texts, limiter=deps.limiter)
    data = [
        {"object": "embedding", "index": n, "embedding": _encode_vector(vector, body.encoding_format)}
        for n, vector in enumerate(vectors)
    ]
    return JSON({"object": "list", "data": data, "model": embedder.name, "usage": None})


def _encode_vector(vector: Vectors, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    return [float(x) for x in vector]
