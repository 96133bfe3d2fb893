"""Files to Documents: Markdown, text, HTML, PDF, DOCX, CSV and JSONL (`docs/documents.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from mlrag.documents.readers.base import Limits, Loaded
from mlrag.documents.readers.discovery import READERS, SUFFIXES, document_files, is_document, root_of
from mlrag.documents.readers.sandbox import Sandbox
from mlrag.documents.readers.to_documents import to_documents
from mlrag.errors import DocumentError
from mlrag.types import Document

__all__ = [
    "SUFFIXES",
    "Limits",
    "Loaded",
    "Sandbox",
    "document_files",
    "is_document",
    "load",
    "load_here",
    "read_document",
    "read_documents",
    "root_of",
]
_HERE = 1_000_000  # bytes up to which plain text is read in this process


def load_here(path: Path, lang: str | None = None, root: Path | None = None, limits: Limits | None = None) -> Loaded:
    """The documents of one file, read in this process without a limit on time and memory. Raises DocumentError."""
    module, function = READERS[path.suffix.lower()].split(":")
    read = getattr(import_module(f"{__name__}.{module}"), function)
    return to_documents(read(path, limits or Limits()), path, lang, root)


def load(path: Path, sandbox: Sandbox, lang: str | None = None, root: Path | None = None) -> Loaded:
    """The documents of one file; all but small plain text is read in the sandbox.

    The language is `lang`, else what the file says, else detected. Raises DocumentError when the file cannot be
    read within its limits, is no text, is empty, or its language cannot be told.
    """
    if READERS[path.suffix.lower()] == "plain_text:read" and path.is_file() and path.stat().st_size <= _HERE:
        return load_here(path, lang, root)
    return sandbox.load(path, lang, root)


def read_document(path: Path, lang: str | None = None, root: Path | None = None) -> Document:
    """A file's only document. Raises DocumentError for a file that cannot be read or holds several."""
    with Sandbox(Limits()) as sandbox:
        documents = load(path, sandbox, lang, root).documents
    if len(documents) > 1:
        raise DocumentError(f"{path} holds {len(documents)} documents, where one is asked for")
    return documents[0]


def read_documents(paths: Iterable[Path], lang: str | None = None) -> Iterator[Document]:
    """Every document under these paths, in order of its file's name."""
    paths = list(paths)
    roots = [p for p in paths if p.is_dir()]
    with Sandbox(Limits()) as sandbox:
        for path in document_files(paths):
            yield from load(path, sandbox, lang, root_of(path, roots)).documents
