"""The pages for people: ask, documents, status. The list of reports stands with the reports."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from mlrag.abstention.calibration import shipped_calibration
from mlrag.errors import GeneratorError
from mlrag.factory import is_remote
from mlrag.languages import Language, languages, off_topic
from mlrag.models.variants import family
from mlrag.settings import Settings
from service.dependencies import Parts, PartsDep
from service.templating import LANG, page

router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)
_VALIDATED: frozenset[str] = frozenset()  # languages in which the support of sentences was held against human labels


@dataclass(frozen=True, slots=True)
class Row:
    """How a language stands. `calibrated`: abstaining is decided by what is known of the embedder and this index.

    `checked`: the checks of whole sentences are validated in it.
    """

    pack: Language
    documents: int
    passages: int
    indexed: bool
    calibrated: bool
    checked: bool


@dataclass(frozen=True, slots=True)
class Backend:
    """Who answers. `state` is a key of the packs' words; `detail` is the same in every language."""

    name: str
    state: str
    detail: str = ""


@router.get("/")
async def ask_page(parts: PartsDep, request: Request, lang: LANG = "") -> Response:
    """Ask, and see where the answer stands. The page itself asks ?q= at once; without ?lang= it detects."""
    packs, indexed = languages(), await anyio.to_thread.run_sync(parts.retriever.languages, limiter=parts.workers)
    return page(
        request,
        "ask",
        lang,
        shown=[p for p in packs.values() if p.code in indexed] or list(packs.values()),
        chosen=lang,
        longest=parts.settings.max_question,
        variant=parts.settings.variant,
        variants=["extractive", "auto", *family(), *parts.settings.variants],
    )


@router.get("/documents")
async def documents_page(request: Request, lang: LANG = "") -> Response:
    """Add documents, see them, delete them."""
    return page(request, "documents", lang, shown=list(languages().values()))


def _row(parts: Parts, pack: Language, indexed: bool) -> Row:
    if not indexed:
        return Row(pack, 0, 0, False, False, False)
    index = parts.retriever.index(pack.code)
    counts = index.store.counts()
    known = bool(len(shipped_calibration(parts.retriever.embedder.name).weights)) and bool(off_topic(pack.code))
    return Row(pack, counts.documents, counts.passages, True, known, pack.code in _VALIDATED)


def _backends(settings: Settings) -> list[Backend]:
    """Who can answer; Ollama is asked, the others are not."""
    keys = {"openai": settings.openai_url, "gemini": settings.gemini_key.get_secret_value()}
    remote = [Backend(name, "configured" if told else "not_configured") for name, told in keys.items()]
    return [Backend("extractive", "ready"), _ollama(settings), *remote]


def _ollama(settings: Settings) -> Backend:
    from mlrag.generation.backends.ollama import installed

    host = settings.ollama_host
    if settings.private and is_remote(urlsplit(host).netloc or host, settings):
        return Backend("ollama", "private", host)
    try:
        tags = installed(host)
    except GeneratorError:
        return Backend("ollama", "unreachable", host)
    return Backend("ollama", "ready", ", ".join(tags)) if tags else Backend("ollama", "no_model", host)


def _rows(parts: Parts) -> list[Row]:
    indexed = set(parts.retriever.languages())
    return [_row(parts, pack, pack.code in indexed) for pack in languages().values()]


@router.get("/health")
async def health_page(parts: PartsDep, request: Request, lang: LANG = "") -> Response:
    """How every language stands, and who answers."""
    rows = await anyio.to_thread.run_sync(_rows, parts, limiter=parts.workers)
    backends = await anyio.to_thread.run_sync(_backends, parts.settings, limiter=parts.workers)
    return page(request, "status", lang, rows=rows, backends=backends, embedder=parts.retriever.embedder)
