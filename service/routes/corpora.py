"""The documents that answers come from: upload, list, read, delete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response

from mlrag.languages import language
from mlrag.types import UPLOAD
from service.dependencies import Dependencies, Deps
from service.errors import JSON
from service.middleware.asgi import call_store
from service.schemas.error_responses import Responses, errors
from service.schemas.mlrag import CorpusReply, DocumentPage, DocumentReply, DocumentsBody, JobReply
from service.uploads import read_uploads

router = APIRouter(tags=["documents"])
LanguageCode = Annotated[str, Path(description="A language's code.", examples=["ta"])]
DocumentId = Annotated[str, Path(description="A document's id; it may hold slashes.", examples=["ta-dengue"])]
JobId = Annotated[
    str, Path(description="The id in the reply to the upload.", examples=["5f0c1a7e9d2b4c6f8a1b3d5e7f901234"])
]
_QUEUED_RESPONSES: Responses = {202: {"model": JobReply, "description": "Queued."}, **errors(404)}
_JSON_BODY = DocumentsBody.model_json_schema(ref_template="#/components/schemas/{model}")
_JSON_BODY["properties"]["documents"]["items"] = _JSON_BODY.pop("$defs")["DocumentText"]
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
                },
                "required": ["files"],
            }
        },
        "application/json": {
            "schema": _JSON_BODY,
            "example": {"documents": [{"name": "மழை.md", "text": "பருவமழை அக்டோபரில் தொடங்குகிறது."}]},
        },
        "text/markdown": {"schema": {"type": "string"}, "example": "# மழை\n\nபருவமழை அக்டோபரில் தொடங்குகிறது."},
    },
}


def _describe_corpora(deps: Dependencies) -> list[dict[str, Any]]:
    indexes = [deps.retriever.index(lang) for lang in deps.retriever.languages()]
    return [{"lang": index.lang, **asdict(index.store.counts()), "bytes": index.size()} for index in indexes]


@router.get("/corpora", response_class=JSON, responses={200: {"model": list[CorpusReply]}})
async def list_corpora(deps: Deps) -> Response:
    """The indexed documents, passages, sentences and bytes, by language."""
    return JSON(await anyio.to_thread.run_sync(_describe_corpora, deps, limiter=deps.limiter))


@router.post(
    "/corpora/{lang}/documents",
    status_code=202,
    response_class=JSON,
    responses=_QUEUED_RESPONSES,
    openapi_extra={"requestBody": _BODY},
)
@router.put(
    "/corpora/{lang}/documents",
    status_code=202,
    response_class=JSON,
    responses=_QUEUED_RESPONSES,
    openapi_extra={"requestBody": _BODY},
)
async def upload_documents(
    deps: Deps,
    request: Request,
    lang: LanguageCode,
    name: Annotated[str, Query(description="The file's name, where the body is one file.", examples=["மழை.md"])] = "",
) -> Response:
    """Add documents, or replace those with the same id. The job is done when they can be searched.

    A document's id is the one in its front matter, else the file's name.
    """
    language(lang)
    uploads = await read_uploads(request, name)
    job = await call_store(deps.jobs.waits, deps.jobs.add, lang, uploads)
    if job is None:
        raise HTTPException(503, "too many uploads wait; send this one again in a moment")
    return JSON(asdict(job), status_code=202, headers={"Location": f"/jobs/{job.id}"})


@router.get("/jobs/{job_id}", response_class=JSON, responses={200: {"model": JobReply}, **errors(404)})
async def get_job(deps: Deps, job_id: JobId) -> Response:
    """Status of an upload: queued, running, done or failed, with the result of each file."""
    job = await call_store(deps.jobs.waits, deps.jobs.get, job_id)
    if job is None:
        raise HTTPException(404, "no such job; old jobs are deleted")
    return JSON(asdict(job))


def _describe_page(deps: Dependencies, lang: str, offset: int, limit: int) -> dict[str, Any]:
    store = deps.retriever.index(lang).store
    rows = [asdict(row) | {"source": _public_source(deps, row.source)} for row in store.list_documents(offset, limit)]
    return {"lang": lang, "total": store.counts().documents, "offset": offset, "documents": rows}


@router.get(
    "/corpora/{lang}/documents", response_class=JSON, responses={200: {"model": DocumentPage}, **errors(404, 409)}
)
async def list_documents(
    deps: Deps,
    lang: LanguageCode,
    offset: Annotated[int, Query(ge=0, le=2**53, description="How many documents to skip.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """A page of the documents of one language, in order of their ids."""
    language(lang)
    return JSON(await anyio.to_thread.run_sync(_describe_page, deps, lang, offset, limit, limiter=deps.limiter))


def _describe_document(deps: Dependencies, lang: str, doc_id: str) -> dict[str, Any]:
    document = deps.retriever.index(lang).store.document(doc_id)
    if document is None:
        raise HTTPException(404, f"no document {doc_id!r} in {lang!r}")
    return asdict(document) | {"source": _public_source(deps, document.source)}


def _public_source(deps: Dependencies, source: str) -> str:
    """Return a source as callers may see it: its path below `corpora`, elsewhere only its name."""
    if source.startswith(UPLOAD):
        return source
    path, corpora = PurePath(source), deps.settings.corpora.absolute()
    return path.relative_to(corpora).as_posix() if path.is_relative_to(corpora) else path.name


@router.get(
    "/corpora/{lang}/documents/{doc_id:path}",
    response_class=JSON,
    responses={200: {"model": DocumentReply}, **errors(404, 409)},
)
async def get_document(deps: Deps, lang: LanguageCode, doc_id: DocumentId) -> Response:
    """One document: the text that citations point into."""
    language(lang)
    return JSON(await anyio.to_thread.run_sync(_describe_document, deps, lang, doc_id, limiter=deps.limiter))


def _delete_document(deps: Dependencies, lang: str, doc_id: str) -> None:
    _describe_document(deps, lang, doc_id)
    deps.retriever.index(lang).store.delete([doc_id])
    deps.retriever.prepare_index(lang)


@router.delete("/corpora/{lang}/documents/{doc_id:path}", status_code=204, responses=errors(404, 409))
async def delete_document(deps: Deps, lang: LanguageCode, doc_id: DocumentId) -> Response:
    """Remove a document; the next question no longer finds it."""
    language(lang)
    await anyio.to_thread.run_sync(_delete_document, deps, lang, doc_id, limiter=deps.limiter)
    return Response(status_code=204)
