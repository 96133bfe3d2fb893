"""Values as JSON knows them, and variants as a table has room for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def to_jsonable(value: Any) -> Any:
    """The same value as JSON knows it: tuples as lists, numbers that are none as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: to_jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(v) for v in value]
    return value


def shorten_variant(variant: str) -> str:
    """A variant that is a file by the file's name: "llamacpp:/models/si.gguf+think" as "llamacpp:si.gguf+think"."""
    backend, colon, rest = variant.partition(":")
    return f"{backend}:{rest.rsplit('/', 1)[-1]}" if colon and ".gguf" in rest else variant
