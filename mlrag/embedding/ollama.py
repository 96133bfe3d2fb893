"""Any embedding model of Ollama, over /api/embed, with the prompts of its family.

Ollama puts no prompt before a text and cuts an over-long one silently unless told not to: both are minded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import stamina

from mlrag.embedding.base import OLLAMA_HOST, family_prompts
from mlrag.errors import EmbedderError
from mlrag.text.normalize import clean
from mlrag.types import Vectors

BATCH = 32  # texts a request: small enough that a slow machine answers within the timeout
_TIMEOUT = httpx.Timeout(300.0, connect=5.0)  # loading the model included
_KEEP_ALIVE = "10m"


class OllamaEmbedder:
    """One Ollama tag. Nothing is asked of the server before its name, dimension or vectors are wanted."""

    engine = "ollama"

    def __init__(self, tag: str, host: str = OLLAMA_HOST, key: str = "") -> None:
        import ollama

        self._tag = tag
        self._url = host if "://" in host else f"http://{host}"
        self.host = urlsplit(self._url).netloc
        headers = {"Authorization": f"Bearer {key}"} if key else None
        self._client = ollama.Client(host=self._url, timeout=_TIMEOUT, headers=headers)
        self._prompts = family_prompts(tag)

    @cached_property
    def name(self) -> str:
        """ "ollama:TAG", marked where the server says that it is a stand-in. Raises EmbedderError."""
        details = self._call(self._client.show, self._tag).get("details") or {}
        mark = " [stand-in]" if details.get("parameter_size") == "stand-in" else ""
        return f"ollama:{self._tag}{mark}"

    @cached_property
    def dim(self) -> int:
        """Learned from the first vector. Raises EmbedderError."""
        return len(self._request(["."])[0])

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode("query", texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._encode("document", texts)

    def _encode(self, kind: str, texts: Sequence[str]) -> Vectors:
        prompted = [self._prompts.get(kind, "") + clean(t) for t in texts]
        rows = [r for at in range(0, len(texts), BATCH) for r in self._request(prompted[at : at + BATCH])]
        if not rows:
            return np.zeros((0, self.dim), np.float32)
        vectors = np.array(rows, np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def _request(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        options = {"truncate": False, "keep_alive": _KEEP_ALIVE}
        rows = self._call(self._client.embed, self._tag, list(texts), **options)["embeddings"]
        if len(rows) != len(texts) or not all(any(row) for row in rows):
            raise EmbedderError(f"Ollama at {self._url} gave no usable vectors", f"is {self._tag} an embedding model?")
        return rows  # type: ignore[no-any-return]

    def _call(self, ask: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """One request; up to three where Ollama is busy. Raises EmbedderError."""
        import ollama

        try:
            for attempt in stamina.retry_context(on=_passing, attempts=3, wait_initial=0.1, wait_max=1.0):
                with attempt:
                    return ask(*args, **options).model_dump()  # type: ignore[no-any-return]
        except ollama.ResponseError as error:
            raise self._translate(error, *args) from error
        except httpx.TimeoutException as error:
            raise EmbedderError(f"Ollama at {self._url} gave no vectors within {_TIMEOUT.read:g} s") from error
        except (ConnectionError, httpx.HTTPError) as error:
            raise EmbedderError(
                f"no Ollama answers at {self._url} (asked for {self._tag})", "start it with: ollama serve"
            ) from error
        raise AssertionError("stamina lets the last error through")

    def _translate(self, error: Any, tag: str, texts: Sequence[str] = ()) -> EmbedderError:
        if error.status_code == 404:
            return EmbedderError(f"Ollama at {self._url} does not have {tag}", f"ollama pull {tag}")
        if "exceeds the context length" in error.error:
            return EmbedderError(
                f"a text of up to {max(map(len, texts))} characters is longer than {tag} reads, and none is cut",
                "split it, or take an embedder with a longer context: bundled, ollama:qwen3-embedding",
            )
        return EmbedderError(f"Ollama at {self._url} cannot embed ({error.status_code}): {error.error}")


def _passing(error: Exception) -> bool:
    return getattr(error, "status_code", None) == 503
