"""Files from the body of a request: a form, JSON, or one file as it is."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import HTTP

from fastapi import HTTPException, Request
from pydantic import ValidationError

from mlrag.errors import DocumentError
from service.schemas.mlrag import DocumentsBody

MAX_BYTES = 64 * 2**20  # one request
MAX_FILES = 200
MAX_NAME = 300


@dataclass(frozen=True, slots=True)
class Upload:
    """`name` is what the client calls it: the document's id, where the file says none; never a path of ours."""

    name: str
    data: bytes


async def read_body(request: Request) -> bytes:
    """Raises HTTPException where it is longer than MAX_BYTES."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"more than {MAX_BYTES >> 20} MiB in one request")
    return bytes(body)


def uploads(kind: str, body: bytes, name: str = "") -> list[Upload]:
    """The files of a body of this Content-Type. Raises DocumentError, HTTPException."""
    form = kind.lower().startswith("multipart/form-data")
    if form:
        found = _form(kind, body)
    elif kind.lower().startswith("application/json"):
        found = _json(body)
    else:
        found = [Upload(name, body)] if body else []
    if not found:
        raise DocumentError("the request holds no file", "send a form with `files`, JSON with `documents`, or ?name=")
    if len(found) > MAX_FILES:
        raise DocumentError(f"{len(found)} files in one request; {MAX_FILES} is the limit")
    return [Upload(_named(u.name), u.data) for u in found]


def _named(name: str) -> str:
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise DocumentError(f"{name[:MAX_NAME]!r} cannot be a file's name", "say it with ?name=, or in the form")
    return name


def _json(body: bytes) -> list[Upload]:
    try:
        documents = DocumentsBody.model_validate_json(body).documents
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise DocumentError(f"{where}: {first['msg']}", 'send {"documents": [{"name", "text"}]}') from error
    return [Upload(d.name, d.text.encode("utf-8", "replace")) for d in documents]


def _form(kind: str, body: bytes) -> list[Upload]:
    """The files of a form, by the mail parser of the standard library: the same format (RFC 7578)."""
    message = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body, policy=HTTP)
    found = []
    for part in message.iter_parts() if isinstance(message, EmailMessage) and message.is_multipart() else ():
        data = part.get_payload(decode=True)
        name = part.get_filename()
        if name is not None and isinstance(data, bytes):
            found.append(Upload(_decoded(name), data))
    return found


def _decoded(name: str) -> str:
    """Browsers send UTF-8 as it is, which the parser keeps as surrogates, and a quotation mark as %22."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("%22", '"')
