"""Any embedding model of Ollama, over /api/embed, with the prompts of its family.

Ollama adds no prompt to a text, and cuts an over-long one silently unless `truncate` is false.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import stamina

from mlrag.embedding.prompts import family_prompts
from mlrag.errors import EmbedderError
from mlrag.text.normalize import clean
from mlrag.types import Vectors

OLLAMA_HOST = "http://127.0.0.1:11434"
BATCH = 32  # texts per request: few enough that a slow machine answers within the timeout
_TIMEOUT = httpx.Timeout(300.0, connect=5.0)  # loading the model included
_KEEP_ALIVE = "10m"


class OllamaEmbedder:
    """One Ollama tag. The server is not called before `engine`, `dim` or vectors are used. Raises EmbedderError."""

    def __init__(self, tag: str, host: str = OLLAMA_HOST, key: str = "") -> None:
        import ollama

        self.name = f"ollama:{tag}"
        self._tag = tag
        self._url = host if "://" in host else f"http://{host}"
        self.host = urlsplit(self._url).netloc
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = ollama.Client(host=self._url, timeout=_TIMEOUT, headers=self._headers)
        self._prompts = family_prompts(tag)

    @cached_property
    def engine(self) -> str:
        """ "ollama VERSION", as the server reports it."""
        try:
            reply = httpx.get(f"{self._url}/api/version", headers=self._headers, timeout=_TIMEOUT)
            return f"ollama {reply.raise_for_status().json()['version']}"
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
            return "ollama"  # a server that speaks Ollama's protocol without this path
        except httpx.HTTPError as error:
            raise self._unreachable() from error

    @cached_property
    def dim(self) -> int:
        """The length of a first vector that the server gives."""
        return len(self._request(["."])[0])

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode("query", texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._encode("document", texts)

    def _encode(self, kind: str, texts: Sequence[str]) -> Vectors:
        prompted = [self._prompts.get(kind, "") + clean(t) for t in texts]
        rows: list[Sequence[float]] = []
        for start in range(0, len(prompted), BATCH):
            rows += self._request(prompted[start : start + BATCH])
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

    def _call(self, request: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
        """Send a request, up to three times while Ollama is busy (503). Raises EmbedderError."""
        import ollama

        try:
            for attempt in stamina.retry_context(on=_is_busy, attempts=3, wait_initial=0.1, wait_max=1.0):
                with attempt:
                    return request(*args, **options).model_dump()  # type: ignore[no-any-return]
        except ollama.ResponseError as error:
            raise self._translate(error, *args) from error
        except httpx.TimeoutException as error:
            raise EmbedderError(f"Ollama at {self._url} gave no vectors within {_TIMEOUT.read:g} s") from error
        except (ConnectionError, httpx.HTTPError) as error:
            raise self._unreachable() from error
        raise AssertionError("stamina lets the last error through")

    def _unreachable(self) -> EmbedderError:
        return EmbedderError(f"no Ollama answers at {self._url} (asked for {self._tag})", "start it with: ollama serve")

    def _translate(self, error: Any, tag: str, texts: Sequence[str] = ()) -> EmbedderError:
        if error.status_code == 404:
            return EmbedderError(f"Ollama at {self._url} does not have {tag}", f"ollama pull {tag}")
        if "exceeds the context length" in error.error:
            return EmbedderError(
                f"a text of up to {max(map(len, texts))} characters is longer than {tag} reads, and none is cut",
                "split it, or take an embedder with a longer context: bundled, ollama:qwen3-embedding",
            )
        return EmbedderError(f"Ollama at {self._url} cannot embed ({error.status_code}): {error.error}")


def _is_busy(error: Exception) -> bool:
    return getattr(error, "status_code", None) == 503
