"""Markdown and plain text files to Documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import regex
import yaml

from mlrag.errors import DocumentError
from mlrag.records import Document
from mlrag.text.detect import UNKNOWN, detect
from mlrag.text.normalize import clean

SUFFIXES = (".md", ".txt")
_FRONT_MATTER = regex.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(.*)", regex.DOTALL)
_KNOWN_FIELDS = ("id", "title", "lang")


def document_files(paths: Iterable[Path]) -> list[Path]:
    """The readable files under these paths, sorted. Raises DocumentError for a path that is not there."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        elif path.is_file():
            if path.suffix.lower() not in SUFFIXES:
                raise DocumentError(
                    f"{path}: cannot read {path.suffix or 'a file without a suffix'}",
                    f"readable: {', '.join(SUFFIXES)}",
                )
            found.add(path)
        else:
            raise DocumentError(f"{path} does not exist")
    return sorted(found)


def read_document(path: Path, lang: str | None = None, root: Path | None = None) -> Document:
    """One file as a Document. The language is `lang`, else the front matter's, else detected from the text.

    The id is the front matter's, else the path below `root`. Raises DocumentError when the file is not
    UTF-8, its front matter is broken, it is empty, or its language cannot be told.
    """
    try:
        raw = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"{path} is not UTF-8 ({error.reason} at byte {error.start})", "save it as UTF-8"
        ) from error
    meta, body = _split(raw, path)
    text = clean(body).strip()
    if not text:
        raise DocumentError(f"{path} holds no text")
    lang = lang or _text_field(meta, "lang") or detect(text)
    if lang == UNKNOWN:
        raise DocumentError(f"the language of {path} cannot be told", "say it: --lang ta")
    relative = path.relative_to(root) if root and path.is_relative_to(root) else Path(path.name)
    return Document(
        id=_text_field(meta, "id") or relative.as_posix(),
        lang=lang,
        text=text,
        title=clean(_text_field(meta, "title") or "").strip(),
        source=path.as_posix(),
        meta={k: v for k, v in meta.items() if k not in _KNOWN_FIELDS},
    )


def _split(raw: str, path: Path) -> tuple[dict[str, Any], str]:
    match = _FRONT_MATTER.match(raw)
    if not match:
        return {}, raw
    try:
        meta = yaml.safe_load(match.group(1)) or {}
    except yaml.YAMLError as error:
        raise DocumentError(f"the front matter of {path} is not YAML: {error}") from error
    if not isinstance(meta, dict):
        raise DocumentError(f"the front matter of {path} is not a list of fields")
    return meta, match.group(2)


def _text_field(meta: dict[str, Any], key: str) -> str | None:
    value = meta.get(key)
    return None if value is None else str(value)


def read_documents(paths: Iterable[Path], lang: str | None = None) -> Iterator[Document]:
    """Every document under these paths, in order of its file's name."""
    roots = [p for p in paths if p.is_dir()]
    for path in document_files(paths):
        root = next((r for r in roots if path.is_relative_to(r)), None)
        yield read_document(path, lang, root)
