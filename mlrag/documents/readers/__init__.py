"""Read files as documents: Markdown, text, HTML, PDF, DOCX, CSV and JSONL (`docs/documents.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from mlrag.documents.readers.base import Limits, LoadedFile
from mlrag.documents.readers.discovery import READERS, SUFFIXES, document_files, is_document, root_of
from mlrag.documents.readers.sandbox import Sandbox
from mlrag.documents.readers.to_documents import to_documents
from mlrag.errors import DocumentError
from mlrag.types import Document

__all__ = [
    "SUFFIXES",
    "Limits",
    "LoadedFile",
    "Sandbox",
    "document_files",
    "is_document",
    "load",
    "load_unsandboxed",
    "read_document",
    "read_documents",
    "root_of",
]
_UNSANDBOXED = 1_000_000  # bytes up to which plain text is read in this process


def load_unsandboxed(
    path: Path, lang: str | None = None, root: Path | None = None, limits: Limits | None = None
) -> LoadedFile:
    """Read the documents of one file in this process, without a limit on time and memory. Raises DocumentError."""
    module, function = READERS[path.suffix.lower()].split(":")
    try:
        read = getattr(import_module(f"{__name__}.{module}"), function)
        extracted = read(path, limits or Limits())
    except ModuleNotFoundError as error:
        raise DocumentError(
            f"{path} cannot be read: the package {error.name} is not installed", "pip install 'mlrag[documents]'"
        ) from error
    return to_documents(extracted, path, lang, root)


def load(path: Path, sandbox: Sandbox, lang: str | None = None, root: Path | None = None) -> LoadedFile:
    """Read the documents of one file, in the sandbox unless it is a small plain text.

    The language is `lang`, else what the file says, else detected. Raises DocumentError when the file cannot be
    read within its limits, is not text, is empty, or its language is unknown.
    """
    if READERS[path.suffix.lower()] == "plain_text:read" and path.is_file() and path.stat().st_size <= _UNSANDBOXED:
        return load_unsandboxed(path, lang, root)
    return sandbox.load(path, lang, root)


def read_document(path: Path, lang: str | None = None, root: Path | None = None) -> Document:
    """Read the only document of a file. Raises DocumentError for a file that cannot be read or holds several."""
    with Sandbox(Limits()) as sandbox:
        documents = load(path, sandbox, lang, root).documents
    if len(documents) > 1:
        raise DocumentError(f"{path} holds {len(documents)} documents, expected one")
    return documents[0]


def read_documents(paths: Iterable[Path], lang: str | None = None) -> Iterator[Document]:
    """Read every document under these paths, in order of the file names."""
    paths = list(paths)
    roots = [p for p in paths if p.is_dir()]
    with Sandbox(Limits()) as sandbox:
        for path in document_files(paths):
            yield from load(path, sandbox, lang, root_of(path, roots)).documents
