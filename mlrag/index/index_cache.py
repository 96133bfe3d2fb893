"""Indexes stay open between searches, whoever asks for them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from mlrag.index.protocol import Index

OpenIndex = TypeVar("OpenIndex", bound=Index)


class IndexCache(Generic[OpenIndex]):
    """Open indexes by language. One whose store was replaced (`mlrag index --rebuild`) is opened again."""

    def __init__(self) -> None:
        self._indexes: dict[str, OpenIndex] = {}
        self._lock = Lock()

    def get(self, lang: str, open_index: Callable[[str], OpenIndex]) -> OpenIndex:
        """Return the open index of a language; `open_index` is called where there is none. Raises what it raises."""
        index = self._indexes.get(lang)
        if index is not None and index.store.is_current:
            return index
        with self._lock:
            index = self._indexes.pop(lang, None)
            if index is None or not index.store.is_current:
                index = open_index(lang)
            self._indexes[lang] = index
            return index

    def clear(self) -> list[OpenIndex]:
        """Forget all open indexes; return them."""
        with self._lock:
            indexes = list(self._indexes.values())
            self._indexes = {}
            return indexes
