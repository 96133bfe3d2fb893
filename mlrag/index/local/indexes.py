"""Indexes below a folder, one folder a language."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlrag.errors import MissingIndexError
from mlrag.index.index_cache import IndexCache
from mlrag.index.local.language_index import LanguageIndex
from mlrag.index.local.store import Store


class FolderIndexes:
    """SQLite, FAISS and Tantivy below one folder, in this process."""

    hosts: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache = IndexCache[LanguageIndex]()

    def languages(self) -> list[str]:
        return sorted(p.parent.name for p in self.folder.glob("*/store.sqlite"))

    def holds(self, lang: str) -> bool:
        return self._path(lang).is_file()

    def store(self, lang: str) -> Store:
        return Store(self._path(lang), lang)

    def index(self, lang: str) -> LanguageIndex:
        return self._cache.get(lang, self._open)

    def clear(self) -> None:
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        for index in self._cache.clear():
            index.store.close()

    def _open(self, lang: str) -> LanguageIndex:
        if not self.holds(lang):
            raise MissingIndexError(lang)
        return LanguageIndex(self.folder / lang, lang)

    def _path(self, lang: str) -> Path:
        return self.folder / lang / "store.sqlite"
