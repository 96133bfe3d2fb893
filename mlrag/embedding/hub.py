"""Any embedding model that sentence-transformers can load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlrag.embedding.prompts import family_prompts
from mlrag.errors import EmbedderError
from mlrag.text.normalize import clean
from mlrag.types import Vectors

_DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # names that saved models use, in this order


class HubEmbedder:
    """A sentence-transformers model by hub name, by path, or as a loaded object.

    The model's saved prompts are used, or those of its family. Raises EmbedderError.
    """

    engine = "sentence-transformers"
    host = ""

    def __init__(self, model: str | Any) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise EmbedderError(
                f"the embedder {model!r} needs sentence-transformers", ".venv/bin/pip install -e '.[hub]'"
            ) from error
        label = model if isinstance(model, str) else "sentence-transformers model"
        try:
            self._model = SentenceTransformer(model) if isinstance(model, str) else model
        except Exception as error:  # the library raises anything from OSError to its hub's own errors
            raise EmbedderError(f"cannot load the embedder {label!r}: {error}") from error
        self.dim = int(self._model.get_embedding_dimension() or 0)
        saved = {k: v for k, v in (self._model.prompts or {}).items() if v}
        self._prompts = saved or family_prompts(label)
        self.name = f"hub:{label}|{self._prompts.get('query', '')}|{self._prompts.get('document', '')}"

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._model.encode_query, texts, self._prompts.get("query"))

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        prompt = next((self._prompts[name] for name in _DOCUMENT_PROMPTS if name in self._prompts), None)
        return self._encode(self._model.encode_document, texts, prompt)

    def _encode(self, encode: Callable[..., Any], texts: Sequence[str], prompt: str | None) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        vectors = encode([clean(t) for t in texts], prompt=prompt, normalize_embeddings=True, show_progress_bar=False)
        return np.ascontiguousarray(vectors, np.float32)
