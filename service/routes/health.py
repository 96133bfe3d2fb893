"""Is it alive, can it answer, in which languages."""

from __future__ import annotations

import anyio
from fastapi import APIRouter
from fastapi.responses import Response

import mlrag
from mlrag.languages import languages
from service.errors import JSON
from service.parts import PartsDep
from service.replies import Responses
from service.schemas import AliveReply, ErrorReply, LanguageReply, ReadyReply

router = APIRouter(tags=["service"])
_READY: Responses = {
    200: {"model": ReadyReply},
    503: {"model": ReadyReply | ErrorReply, "description": "No language has an index yet."},
}


@router.get("/languages", response_class=JSON, responses={200: {"model": list[LanguageReply]}})
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


@router.get("/healthz", response_class=JSON, responses={200: {"model": AliveReply}})
async def healthz() -> Response:
    """Is the process alive?"""
    return JSON({"status": "ok", "version": mlrag.__version__})


@router.get("/readyz", response_class=JSON, responses=_READY)
async def readyz(parts: PartsDep) -> Response:
    """Can it answer? 503 until a language has an index; the reply waits for the embedder."""
    await anyio.to_thread.run_sync(lambda: parts.retriever.embedder.engine)
    indexed = parts.retriever.languages()
    body = {
        "status": "ready" if indexed else "no index",
        "languages": indexed,
        "variant": parts.settings.variant,
    }
    return JSON(body, status_code=200 if indexed else 503)
