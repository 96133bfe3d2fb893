"""Files from the body of a request: a form, JSON, or one file as it is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from mlrag.errors import DocumentError
from service.schemas.mlrag import DocumentsBody

MAX_FILES = 200
MAX_NAME = 300


@dataclass(frozen=True, slots=True)
class Upload:
    """`name` is what the client calls it: the document's id, where the file names none; never a path of ours."""

    name: str
    data: bytes


async def read_uploads(request: Request, name: str = "") -> list[Upload]:
    """Return the files of a request's body; `name` is that of a body which is one file.

    The middleware BodyLimit bounds the body while it is read. Raises DocumentError.
    """
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith("multipart/form-data"):
        files = await _read_form(request)
    elif kind.startswith("application/json"):
        files = _read_json(await request.body())
    else:
        body = await request.body()
        files = [Upload(name, body)] if body else []
    if not files:
        raise DocumentError("the request holds no file", "send a form with `files`, JSON with `documents`, or ?name=")
    return [Upload(_check_name(file.name), file.data) for file in files]


def _check_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise DocumentError(f"{name[:MAX_NAME]!r} cannot be a file's name", "give it as ?name=, or in the form")
    return name


def _read_json(body: bytes) -> list[Upload]:
    try:
        documents = DocumentsBody.model_validate_json(body).documents
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise DocumentError(f"{where}: {first['msg']}", 'send {"documents": [{"name", "text"}]}') from error
    return [Upload(d.name, d.text.encode("utf-8", "replace")) for d in documents]


async def _read_form(request: Request) -> list[Upload]:
    try:
        async with request.form(max_files=MAX_FILES) as form:
            files = [value for _, value in form.multi_items() if not isinstance(value, str)]
            return [Upload(_decode_name(file), await file.read()) for file in files]
    except HTTPException as error:  # Starlette's only error here: a form that cannot be parsed, or too many files
        raise DocumentError(f"the form cannot be read: {error.detail}", "send the files as `files`") from error


def _decode_name(file: UploadFile) -> str:
    return (file.filename or "").replace("%22", '"')  # browsers escape a quotation mark, and nothing else
