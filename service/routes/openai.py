"""OpenAI's protocol, so that its clients work unchanged: a variant is a model, an answer a completion."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import AsyncIterator, Callable
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
from service.answer_task import Asking, Events, Seen
from service.dependencies import Parts, PartsDep
from service.errors import JSON, described
from service.routes.ask import begin
from service.schemas.error_responses import errors
from service.schemas.openai import ChatRequest, Completion, EmbeddingList, EmbeddingsRequest, ModelCard, ModelList
from service.sse import HEARTBEAT, Shown, frame

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
_DONE = b"data: [DONE]\n\n"


def _models(parts: Parts) -> list[str]:
    names = ["extractive", "auto", *family(), *parts.settings.variants, parts.settings.variant]
    return list(dict.fromkeys([*names, parts.settings.embedder]))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "mlrag"}


@router.get("/models", response_class=JSON, responses={200: {"model": ModelList}})
async def list_models(parts: PartsDep) -> Response:
    """Who may be asked to answer, by name, and the embedder. Whether a model is installed shows when it is asked."""
    return JSON({"object": "list", "data": [_model(name) for name in _models(parts)]})


@router.get("/models/{name:path}", response_class=JSON, responses={200: {"model": ModelCard}, **errors(404)})
async def get_model(parts: PartsDep, name: Annotated[str, Path(examples=["extractive"])]) -> Response:
    if name not in _models(parts):
        raise HTTPException(404, f"no model {name!r}")
    return JSON(_model(name))


def with_footnotes(answer: Answer) -> str:
    """The text with a mark behind all that is cited, and below it the documents that the marks name."""
    numbers: dict[str, int] = {}
    marks: dict[int, list[int]] = {}
    for c in answer.citations:
        number = numbers.setdefault(c.doc_id, len(numbers) + 1)
        at = marks.setdefault(c.answer_end, [])
        if number not in at:
            at.append(number)
    text, end = "", 0
    for at_end, found in sorted(marks.items()):
        text += answer.text[end:at_end].rstrip() + " " + "".join(f"[{n}]" for n in found)
        end = at_end
    text += answer.text[end:]
    titles = {h.passage.doc_id: h.passage.title for h in answer.hits}
    notes = [f"[{n}] {_title(titles.get(doc_id, ''), doc_id)}" for doc_id, n in numbers.items()]
    return "\n\n".join([text, "\n".join(notes)]) if notes else text


def _title(title: str, doc_id: str) -> str:
    return f"{title} ({doc_id})" if title else doc_id


def _content(answer: Answer, body: ChatRequest) -> str:
    return with_footnotes(answer) if body.mlrag.footnotes else answer.text


def _usage(answer: Answer) -> dict[str, int] | None:
    """None where the backend does not say, as where there is no model."""
    read, wrote = answer.usage.prompt_tokens, answer.usage.output_tokens
    if read is None or wrote is None:
        return None
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}


def _head(body: ChatRequest, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": body.model}


@router.post(
    "/chat/completions",
    response_class=JSON,
    responses={200: {"model": Completion, "content": {"text/event-stream": {}}}, **errors(400, 404, 409, 502)},
)
async def chat(parts: PartsDep, request: Request, body: ChatRequest) -> Response:
    """Answer the last message from the documents; `mlrag` in the reply is the answer as /ask gives it."""
    if body.messages[-1].role != "user":
        raise QuestionError("the last message is no user's", "end with the question")
    asking = begin(parts, body.question())
    if body.stream:
        first = await asking.first(request, parts.heartbeat)
        return Events(_chunks(asking, first, body, parts.heartbeat), asking)
    answer, _ = await asking.answer(request)
    message = {"role": "assistant", "content": _content(answer, body), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return JSON(_head(body, "chat.completion") | {"choices": [choice], "usage": _usage(answer), "mlrag": wire(answer)})


async def _chunks(asking: Asking, first: Seen | None, body: ChatRequest, heartbeat: float) -> AsyncIterator[bytes]:
    """The checked text a sentence at a time: what is sent cannot be taken back in this protocol.

    Unchecked text, where it is asked for, comes as the model writes it.
    """
    head = _head(body, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return frame(head | {"choices": [choice]} | more)

    yield chunk({"role": "assistant", "content": ""})
    shown = Shown()
    seen: Seen | Exception | None = first
    while not isinstance(seen, Answer | Exception):
        if seen is None:
            yield HEARTBEAT
        elif isinstance(seen, str) and body.mlrag.unchecked:
            for part in _step(shown, seen, chunk):
                yield part
        seen = await asking.next(heartbeat)
    if isinstance(seen, Exception):
        yield frame(described(seen)[1])
        return
    text = _content(seen, body)
    for until in _ends(text) if not shown.text else [len(text)]:
        for part in _step(shown, text[:until], chunk):
            yield part
    yield chunk({}, "stop", mlrag=wire(seen))
    if body.stream_options and body.stream_options.include_usage:
        yield frame(head | {"choices": [], "usage": _usage(seen)})
    yield _DONE


def _step(shown: Shown, text: str, chunk: Callable[..., bytes]) -> list[bytes]:
    over, added = shown.step(text)
    restart = [chunk({}, mlrag={"restart": True})] if over else []
    return restart + ([chunk({"content": added})] if added else [])


def _ends(text: str) -> list[int]:
    """Where each sentence ends, the last end being the text's."""
    return [*(span.end for span in sentence_spans(text)[:-1]), len(text)]


@router.post("/embeddings", response_class=JSON, responses={200: {"model": EmbeddingList}, **errors(400, 404)})
async def embeddings(parts: PartsDep, body: EmbeddingsRequest) -> Response:
    """Vectors of the configured embedder, of length 1. `usage` is null: it counts no tokens."""
    embedder = parts.retriever.embedder
    if body.model not in (parts.settings.embedder, embedder.name):
        raise HTTPException(404, f"no embedding model {body.model!r}; this service has {parts.settings.embedder!r}")
    texts = [body.input] if isinstance(body.input, str) else body.input
    longest = parts.settings.max_question * 10
    if not all(len(t) <= longest for t in texts):
        raise QuestionError(f"a text of input is longer than {longest} characters", "cut it, or send it in pieces")
    if body.dimensions not in (None, embedder.dim):
        raise QuestionError(f"dimensions must be {embedder.dim}, as {embedder.name} has them")
    encode = embedder.encode_query if body.input_type == "query" else embedder.encode_document
    vectors = await anyio.to_thread.run_sync(encode, texts, limiter=parts.workers)
    rows = [
        {"object": "embedding", "index": n, "embedding": _encoded(v, body.encoding_format)}
        for n, v in enumerate(vectors)
    ]
    return JSON({"object": "list", "data": rows, "model": embedder.name, "usage": None})


def _encoded(vector: Vectors, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    return [float(x) for x in vector]
