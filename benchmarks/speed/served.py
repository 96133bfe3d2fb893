"""python -m benchmarks.speed.served KIND PORT FOLDER: one server to be asked, all on uvicorn without an access log.

service   the whole service over FOLDER, answers not kept, questions embedded once
shell     the same with every answer made before: what HTTP costs (a stand-in's answers, the service's own code else)
stream    the same, each answer told in 400 pieces
fastapi   FastAPI and orjson alone, over FOLDER/body.json
declared  the same with all the query parameters that our /ask declares
usual     that with what stands around such a service, by FastAPI's own means, limits and prometheus-client: an id, a
          limit of requests, a deadline, a count, security headers, one JSON log line; the answer made in a thread
raw       an ASGI function and orjson alone, over FOLDER/body.json
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import orjson
import uvicorn
from fastapi import FastAPI, Query, Request, Response

PIECES = 400
_GUARDS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def fastapi(folder: Path) -> Any:
    app, body = FastAPI(), orjson.loads((folder / "body.json").read_bytes())

    @app.get("/ask")
    async def ask(q: str, lang: str | None = None) -> Response:  # noqa: ARG001
        return Response(orjson.dumps(body), media_type="application/json")

    return app


def declared(folder: Path) -> Any:
    app, body = FastAPI(), orjson.loads((folder / "body.json").read_bytes())

    @app.get("/ask")
    async def ask(
        q: str = "",  # noqa: ARG001
        lang: str | None = None,  # noqa: ARG001
        variant: Annotated[str | None, Query(min_length=1, max_length=200)] = None,  # noqa: ARG001
        think: bool | None = None,  # noqa: ARG001
        k: Annotated[int | None, Query(ge=1, le=50)] = None,  # noqa: ARG001
        cross_language: bool | None = None,  # noqa: ARG001
        filters: Annotated[list[str] | None, Query()] = None,  # noqa: ARG001
        explain: bool = False,  # noqa: ARG001
        stream: bool = False,  # noqa: ARG001
    ) -> Response:
        return Response(orjson.dumps(body), media_type="application/json")

    return app


def usual(folder: Path) -> Any:
    import asyncio
    import inspect
    import logging
    import time
    from uuid import uuid4

    from limits import parse
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter
    from prometheus_client import Counter
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from service.middleware.access_log import JSONLines

    app, body = FastAPI(), orjson.loads((folder / "body.json").read_bytes())
    often, window = parse("1000000/second"), FixedWindowRateLimiter(MemoryStorage())
    replies = Counter("replies", "Replies by status.", ["status"])
    handler, log = logging.StreamHandler(), logging.getLogger("usual")
    handler.setFormatter(JSONLines(texts=False))
    logging.basicConfig(handlers=[handler], level=logging.INFO)

    def ask(**_values: Any) -> Response:
        return Response(orjson.dumps(body), media_type="application/json")

    nine = next(route.endpoint for route in declared(folder).routes if route.path == "/ask")
    ask.__signature__ = inspect.signature(nine, eval_str=True)  # type: ignore[attr-defined]
    app.get("/ask")(ask)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"])

    @app.middleware("http")
    async def around(request: Request, answer: Any) -> Response:
        name, begun, client = uuid4().hex, time.perf_counter(), request.client.host if request.client else ""
        if not window.hit(often, client):
            return Response(status_code=429)
        async with asyncio.timeout(180):
            reply: Response = await answer(request)
        reply.headers.update({"x-request-id": name, **_GUARDS})
        replies.labels(str(reply.status_code)).inc()
        told = {"id": name, "path": request.url.path, "status": reply.status_code, "client": client}
        log.info("request", extra={"fields": told | {"seconds": round(time.perf_counter() - begun, 4)}})
        return reply

    return app


def raw(folder: Path) -> Any:
    body = orjson.loads((folder / "body.json").read_bytes())

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError  # uvicorn then knows that there is no lifespan
        said = orjson.dumps(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    return app


def service(folder: Path, made: str = "") -> Any:
    from benchmarks.speed.corpus import Remembering, embedder
    from mlrag.answering.pipeline import Pipeline
    from mlrag.settings import Settings
    from service.app import create_app
    from service.middleware.access_log import configure_logging

    settings = Settings(data_dir=folder, variant="extractive", cache_answers=0, corpora=folder / "none")
    configure_logging(settings)
    if made:
        ask = cache(lambda own, question, lang: _ask(own, question, lang))
        _ask = Pipeline.ask

        def told(self: Pipeline, question: str, lang: str | None = None, **options: Any) -> Any:
            answer = ask(self, question, lang)
            for n in range(1, PIECES + 1) if made == "stream" else ():
                options["watch"]("word " * n)
            return answer

        Pipeline.ask = told  # type: ignore[method-assign, assignment]
    return create_app(settings, embedder=Remembering(embedder()))


def main(kind: str, port: int, folder: Path) -> None:
    makers = {"fastapi": fastapi, "declared": declared, "usual": usual, "raw": raw}
    app = makers[kind](folder) if kind in makers else service(folder, "" if kind == "service" else kind)
    uvicorn.run(app, port=port, log_config=None, access_log=False, log_level="warning", server_header=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
