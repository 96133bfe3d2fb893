"""Is it alive, can it answer, in which languages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

import mlrag
from mlrag.languages import languages
from service.dependencies import PartsDep
from service.errors import JSON
from service.schemas.error_responses import Responses
from service.schemas.mlrag import AliveReply, ErrorReply, LanguageReply, ReadyReply
from service.shutdown import draining

EMPTY = Annotated[bool, Query(description="Without any index it is ready too: to take documents.")]
router = APIRouter(tags=["service"])
_READY: Responses = {
    200: {"model": ReadyReply},
    503: {"model": ReadyReply | ErrorReply, "description": "No language has an index yet, or it is about to stop."},
}


@router.get("/languages", response_class=JSON, responses={200: {"model": list[LanguageReply]}})
def list_languages(parts: PartsDep) -> Response:
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
def readyz(parts: PartsDep, request: Request, empty: EMPTY = False) -> Response:
    """Can it answer, and shall it be asked? 503 until a language has an index, and once it is about to stop; the reply
    waits for the embedder."""
    _ = parts.retriever.embedder.engine
    indexed = parts.retriever.languages()
    status = "stopping" if draining(request.app) else "ready" if indexed or empty else "no index"
    body = {"status": status, "languages": indexed, "variant": parts.settings.variant}
    return JSON(body, status_code=200 if status == "ready" else 503)
