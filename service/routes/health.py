"""Is it alive, can it answer, in which languages; and the page to ask on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape

import mlrag
from mlrag.languages import languages
from service.errors import JSON
from service.headers import nonce
from service.parts import PartsDep

router = APIRouter(tags=["service"])
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"), autoescape=select_autoescape(["html"])
)
_pages.globals["nonce"] = nonce


@router.get("/languages", response_class=JSON)
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


@router.get("/healthz", response_class=JSON)
async def healthz() -> Response:
    """Is the process alive?"""
    return JSON({"status": "ok", "version": mlrag.__version__})


@router.get("/readyz", response_class=JSON, responses={503: {"description": "No language has an index yet."}})
async def readyz(parts: PartsDep) -> Response:
    """Can it answer? 503 until a language has an index."""
    indexed = parts.retriever.languages()
    body = {
        "status": "ready" if indexed else "no index",
        "languages": indexed,
        "variant": parts.settings.variant,
    }
    return JSON(body, status_code=200 if indexed else 503)


@router.get("/", response_class=HTMLResponse)
async def ask_page(parts: PartsDep, lang: Annotated[str, Query(examples=["ta"])] = "en") -> Response:
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
