"""Read Markdown and plain text in any encoding, with an optional front matter in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import regex
import yaml

from mlrag.documents.readers.base import ExtractedFile, ExtractedText, Limits, read_bytes
from mlrag.documents.readers.encoding import decode
from mlrag.errors import DocumentError

_FRONT_MATTER = regex.compile(r"\A\ufeff?---[ \t]*\r?\n(.{0,100000}?)\r?\n---[ \t]*(?:\r?\n|\Z)(.*)", regex.DOTALL)
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_DEPTH = 20
_KNOWN_FIELDS = ("id", "title", "lang")


def read(path: Path, limits: Limits) -> ExtractedFile:
    """Read one text. Raises DocumentError when the file is not text or its front matter is broken."""
    raw, warnings = decode(read_bytes(path, limits), path)
    meta, body = _split(raw, path)
    known = {key: str(meta[key]) for key in _KNOWN_FIELDS if meta.get(key) is not None}
    other = {key: value for key, value in meta.items() if key not in _KNOWN_FIELDS}
    return ExtractedFile((ExtractedText(body, **known, meta=other),), warnings)


def _split(raw: str, path: Path) -> tuple[dict[str, Any], str]:
    match = _FRONT_MATTER.match(raw)
    if not match:
        return {}, raw
    try:
        _check(match.group(1), path)
        meta = yaml.safe_load(match.group(1)) or {}
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DocumentError(f"the front matter of {path} is not YAML: {error}") from error
    if not isinstance(meta, dict):
        raise DocumentError(f"the front matter of {path} is not a list of fields")
    return {str(key): value for key, value in meta.items()}, match.group(2)


def _check(front: str, path: Path) -> None:
    """Raise DocumentError for what makes a small YAML text large in memory or slow to read."""
    depth = 0
    for token in yaml.scan(front):
        if isinstance(token, yaml.AliasToken):
            raise DocumentError(f"the front matter of {path} has an alias (*name)", "write the value out")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEPTH:
            raise DocumentError(f"the front matter of {path} nests deeper than {_DEPTH} levels", "flatten it")
