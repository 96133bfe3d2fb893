"""What a GGUF file says of itself in its header, read without loading the model.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from mlrag.errors import GeneratorUnavailableError

_MAGIC = b"GGUF"
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Header:
    """`context`: tokens the model was trained for, None where the file does not say. `template`: for chat, or ""."""

    context: int | None
    template: str


@cache
def read_header(path: Path) -> Header:
    """Raises GeneratorUnavailableError for a missing, cut or other file."""
    if not path.is_file():
        raise GeneratorUnavailableError(f"there is no file {path}", "give the path of a .gguf file")
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            found = dict(_pairs(data))
    except (struct.error, KeyError, ValueError) as error:
        raise GeneratorUnavailableError(f"{path} is not a readable GGUF file: {error}", "fetch it again") from error
    context = found.get(f"{found.get('general.architecture')}.context_length")
    return Header(context if isinstance(context, int) else None, found.get("tokenizer.chat_template") or "")


def _pairs(data: mmap) -> Iterator[tuple[str, Any]]:
    """The metadata; arrays (the vocabulary, mostly) are passed over and come as None."""
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin with the letters GGUF")
    version, _, count = struct.unpack_from("<IQQ", data, 4)
    if version not in (2, 3):
        raise ValueError(f"version {version} of the format is unknown")
    at = 24
    for _ in range(count):
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        value, at = _value(data, at + 4, kind)
        yield key, value


def _string(data: mmap, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    end = at + 8 + length
    if end > len(data):
        raise ValueError("it is cut short")
    return data[at + 8 : end].decode("utf-8", "replace"), end


def _value(data: mmap, at: int, kind: int) -> tuple[Any, int]:
    if kind == _STRING:
        return _string(data, at)
    if kind == _ARRAY:
        return None, _after_array(data, at)
    form = f"<{_SCALARS[kind]}"
    return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)


def _after_array(data: mmap, at: int) -> int:
    kind: int
    count: int
    kind, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if kind in _SCALARS:
        return at + count * struct.calcsize(f"<{_SCALARS[kind]}")
    for _ in range(count):
        at = _string(data, at)[1] if kind == _STRING else _after_array(data, at)
    return at
