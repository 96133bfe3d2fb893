"""The documents that answers come from: upload, list, read, delete."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response

from mlrag.index.protocol import Index
from mlrag.languages import language
from mlrag.types import UPLOAD
from service.dependencies import Parts, PartsDep
from service.errors import JSON
from service.middleware.asgi import called
from service.schemas.error_responses import Responses, errors
from service.schemas.mlrag import CorpusReply, DocumentPage, DocumentReply, DocumentsBody, JobReply
from service.uploads import read_body, uploads

router = APIRouter(tags=["documents"])
LANG = Annotated[str, Path(description="A language's code.", examples=["ta"])]
DOC_ID = Annotated[str, Path(description="A document's id; it may hold slashes.", examples=["ta-dengue"])]
JOB_ID = Annotated[
    str, Path(description="As the upload's reply says it.", examples=["5f0c1a7e9d2b4c6f8a1b3d5e7f901234"])
]
_QUEUED: Responses = {202: {"model": JobReply, "description": "Queued."}, **errors(404)}
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


def _corpus(index: Index) -> dict[str, Any]:
    return {"lang": index.lang, **asdict(index.store.counts()), "bytes": index.size()}


def _corpora(parts: Parts) -> list[dict[str, Any]]:
    return [_corpus(parts.retriever.index(lang)) for lang in parts.retriever.languages()]


@router.get("/corpora", response_class=JSON, responses={200: {"model": list[CorpusReply]}})
async def list_corpora(parts: PartsDep) -> Response:
    """What is indexed, by language: documents, passages, sentences, bytes."""
    return JSON(await anyio.to_thread.run_sync(_corpora, parts, limiter=parts.workers))


@router.post(
    "/corpora/{lang}/documents",
    status_code=202,
    response_class=JSON,
    responses=_QUEUED,
    openapi_extra={"requestBody": _BODY},
)
@router.put(
    "/corpora/{lang}/documents",
    status_code=202,
    response_class=JSON,
    responses=_QUEUED,
    openapi_extra={"requestBody": _BODY},
)
async def upload_documents(
    parts: PartsDep,
    request: Request,
    lang: LANG,
    name: Annotated[str, Query(description="The file's name, where the body is one file.", examples=["மழை.md"])] = "",
) -> Response:
    """Add documents, or replace those of the same id. The job tells when they are searchable.

    A document's id is the one its front matter says, else the file's name.
    """
    language(lang)
    found = uploads(request.headers.get("content-type", ""), await read_body(request), name)
    job = await called(parts.jobs.waits, parts.jobs.add, lang, found)
    if job is None:
        raise HTTPException(503, "too many uploads wait; send this one again in a moment")
    return JSON(asdict(job), status_code=202, headers={"Location": f"/jobs/{job.id}"})


@router.get("/jobs/{job_id}", response_class=JSON, responses={200: {"model": JobReply}, **errors(404)})
async def get_job(parts: PartsDep, job_id: JOB_ID) -> Response:
    """How far an upload is: queued, running, done or failed, and what came of each file."""
    job = await called(parts.jobs.waits, parts.jobs.get, job_id)
    if job is None:
        raise HTTPException(404, "no such job; it may have been forgotten")
    return JSON(asdict(job))


def _page(parts: Parts, lang: str, offset: int, limit: int) -> dict[str, Any]:
    store = parts.retriever.index(lang).store
    rows = [asdict(row) | {"source": _shown(parts, row.source)} for row in store.list_documents(offset, limit)]
    return {"lang": lang, "total": store.counts().documents, "offset": offset, "documents": rows}


@router.get(
    "/corpora/{lang}/documents", response_class=JSON, responses={200: {"model": DocumentPage}, **errors(404, 409)}
)
async def list_documents(
    parts: PartsDep,
    lang: LANG,
    offset: Annotated[int, Query(ge=0, le=2**53, description="So many are skipped.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """A page of the documents of a language, in order of their ids."""
    language(lang)
    return JSON(await anyio.to_thread.run_sync(_page, parts, lang, offset, limit, limiter=parts.workers))


def _document(parts: Parts, lang: str, doc_id: str) -> dict[str, Any]:
    document = parts.retriever.index(lang).store.document(doc_id)
    if document is None:
        raise HTTPException(404, f"no document {doc_id!r} in {lang!r}")
    return asdict(document) | {"source": _shown(parts, document.source)}


def _shown(parts: Parts, source: str) -> str:
    """As readers see it: below `corpora` its path from there, elsewhere its name, for folders are the operator's."""
    if source.startswith(UPLOAD):
        return source
    path, corpora = PurePath(source), parts.settings.corpora.absolute()
    return path.relative_to(corpora).as_posix() if path.is_relative_to(corpora) else path.name


@router.get(
    "/corpora/{lang}/documents/{doc_id:path}",
    response_class=JSON,
    responses={200: {"model": DocumentReply}, **errors(404, 409)},
)
async def get_document(parts: PartsDep, lang: LANG, doc_id: DOC_ID) -> Response:
    """One document: the text that citations point into."""
    language(lang)
    return JSON(await anyio.to_thread.run_sync(_document, parts, lang, doc_id, limiter=parts.workers))


def _delete(parts: Parts, lang: str, doc_id: str) -> None:
    _document(parts, lang, doc_id)
    parts.retriever.index(lang).store.delete([doc_id])
    parts.retriever.prepare_index(lang)


@router.delete("/corpora/{lang}/documents/{doc_id:path}", status_code=204, responses=errors(404, 409))
async def delete_document(parts: PartsDep, lang: LANG, doc_id: DOC_ID) -> Response:
    """Remove a document; the next question no longer finds it."""
    language(lang)
    await anyio.to_thread.run_sync(_delete, parts, lang, doc_id, limiter=parts.workers)
    return Response(status_code=204)
