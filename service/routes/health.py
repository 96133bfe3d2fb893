"""Liveness, readiness, and the installed languages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

import mlrag
from mlrag.languages import languages
from service.dependencies import Deps
from service.errors import JSON
from service.schemas.error_responses import Responses
from service.schemas.mlrag import AliveReply, ErrorReply, LanguageReply, ReadyReply
from service.shutdown import is_stopping

Empty = Annotated[bool, Query(description="Count as ready without any index too: ready to take documents.")]
router = APIRouter(tags=["service"])
_READY_RESPONSES: Responses = {
    200: {"model": ReadyReply},
    503: {"model": ReadyReply | ErrorReply, "description": "No language has an index yet, or it is about to stop."},
}


@router.get("/languages", response_class=JSON, responses={200: {"model": list[LanguageReply]}})
def list_languages(deps: Deps) -> Response:
    """Every installed language, and whether it has an index."""
    indexed = set(deps.retriever.languages())
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
    """The process is alive."""
    return JSON({"status": "ok", "version": mlrag.__version__})


@router.get("/readyz", response_class=JSON, responses=_READY_RESPONSES)
def readyz(deps: Deps, request: Request, empty: Empty = False) -> Response:
    """The service can answer. 503 until a language has an index, and once it is about to stop.

    The reply waits until the embedder is loaded.
    """
    _ = deps.retriever.embedder.engine
    indexed = deps.retriever.languages()
    status = "stopping" if is_stopping(request.app) else "ready" if indexed or empty else "no index"
    body = {"status": status, "languages": indexed, "variant": deps.settings.variant}
    return JSON(body, status_code=200 if status == "ready" else 503)
