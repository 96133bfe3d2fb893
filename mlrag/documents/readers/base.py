"""What the reader of a format takes and returns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlrag.errors import DocumentError
from mlrag.types import Document


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one file: bytes on disk (and unpacked), seconds, bytes of memory."""

    size: int = 50_000_000
    seconds: float = 60.0
    memory: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """One text of a file with the fields that the file gives for it; "" where it gives none."""

    text: str
    id: str = ""
    title: str = ""
    lang: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExtractedFile:
    """The texts of one file in order; `warnings` are sentences about skipped or suspicious content."""

    texts: tuple[ExtractedText, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The documents of one file, with the same warnings."""

    documents: tuple[Document, ...]
    warnings: tuple[str, ...] = ()


def read_bytes(path: Path, limits: Limits) -> bytes:
    """Read the file's bytes. Raises DocumentError when it cannot be opened or is larger than the limit."""
    try:
        size = path.stat().st_size
        check_size(path, size, limits)
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path} cannot be opened: {os.strerror(error.errno or 0)}") from error


def check_size(path: Path, size: int, limits: Limits, what: str = "is") -> None:
    """Raise DocumentError for more bytes than the limit."""
    if size > limits.size:
        raise DocumentError(
            f"{path} {what} {size / 1e6:,.0f} MB, more than {limits.size / 1e6:,.0f} MB",
            "split it, or raise max_file_mb (MLRAG_MAX_FILE_MB)",
        )
