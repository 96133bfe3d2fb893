"""The HTML pages: ask, documents, status. The list of reports is in `reports`."""

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
from service.dependencies import Dependencies, Deps
from service.templating import PageLanguage, render_page

router = APIRouter(tags=["pages"], default_response_class=HTMLResponse)
_VALIDATED: frozenset[str] = frozenset()  # languages in which sentence support was validated against human labels


@dataclass(frozen=True, slots=True)
class LanguageStatus:
    """The state of one language. `calibrated`: abstention is calibrated for the embedder and this index.

    `checked`: the sentence checks are validated in it.
    """

    pack: Language
    documents: int
    passages: int
    indexed: bool
    calibrated: bool
    checked: bool


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One model server. `state` is a key of the packs' `ui` texts; `detail` is not translated."""

    name: str
    state: str
    detail: str = ""


@router.get("/")
async def ask_page(deps: Deps, request: Request, lang: PageLanguage = "") -> Response:
    """Ask, and see the cited passages. The page asks ?q= at once; without ?lang= the language is detected."""
    packs = languages()
    indexed = await anyio.to_thread.run_sync(deps.retriever.languages, limiter=deps.limiter)
    return render_page(
        request,
        "ask",
        lang,
        shown=[p for p in packs.values() if p.code in indexed] or list(packs.values()),
        chosen=lang,
        longest=deps.settings.max_question,
        variant=deps.settings.variant,
        variants=["extractive", "auto", *family(), *deps.settings.variants],
    )


@router.get("/documents")
async def documents_page(request: Request, lang: PageLanguage = "") -> Response:
    """Add, list and delete documents."""
    return render_page(request, "documents", lang, shown=list(languages().values()))


def _language_status(deps: Dependencies, pack: Language, indexed: bool) -> LanguageStatus:
    if not indexed:
        return LanguageStatus(pack, 0, 0, False, False, False)
    counts = deps.retriever.index(pack.code).store.counts()
    has_weights = bool(len(shipped_calibration(deps.retriever.embedder.name).weights))
    calibrated = has_weights and bool(off_topic(pack.code))
    return LanguageStatus(pack, counts.documents, counts.passages, True, calibrated, pack.code in _VALIDATED)


def _language_statuses(deps: Dependencies) -> list[LanguageStatus]:
    indexed = set(deps.retriever.languages())
    return [_language_status(deps, pack, pack.code in indexed) for pack in languages().values()]


def _backend_statuses(settings: Settings) -> list[BackendStatus]:
    """Return the state of the model servers; only Ollama is asked."""
    keys = {"openai": settings.openai_url, "gemini": settings.gemini_key.get_secret_value()}
    remote = [BackendStatus(name, "configured" if key else "not_configured") for name, key in keys.items()]
    return [BackendStatus("extractive", "ready"), _ollama_status(settings), *remote]


def _ollama_status(settings: Settings) -> BackendStatus:
    from mlrag.generation.backends.ollama import list_installed_models

    host = settings.ollama_host
    if settings.private and is_remote(urlsplit(host).netloc or host, settings):
        return BackendStatus("ollama", "private", host)
    try:
        tags = list_installed_models(host)
    except GeneratorError:
        return BackendStatus("ollama", "unreachable", host)
    return BackendStatus("ollama", "ready", ", ".join(tags)) if tags else BackendStatus("ollama", "no_model", host)


@router.get("/health")
async def health_page(deps: Deps, request: Request, lang: PageLanguage = "") -> Response:
    """The state of every language and of the model servers."""
    rows = await anyio.to_thread.run_sync(_language_statuses, deps, limiter=deps.limiter)
    backends = await anyio.to_thread.run_sync(_backend_statuses, deps.settings, limiter=deps.limiter)
    return render_page(request, "status", lang, rows=rows, backends=backends, embedder=deps.retriever.embedder)
