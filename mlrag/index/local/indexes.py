"""Where indexes are: below a folder, one folder a language; or whatever else keeps to `Indexes`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from mlrag.index.local.language_index import LanguageIndex
from mlrag.index.local.store import Store
from mlrag.index.protocol import DocumentStore, Indexes

Place = Path | Indexes


@dataclass(frozen=True, slots=True)
class FolderIndexes:
    """SQLite, FAISS and Tantivy below one folder, in this process."""

    folder: Path

    @property
    def hosts(self) -> tuple[str, ...]:
        return ()

    def languages(self) -> list[str]:
        return sorted(p.parent.name for p in self.folder.glob("*/store.sqlite"))

    def holds(self, lang: str) -> bool:
        return self._path(lang).is_file()

    def store(self, lang: str) -> Store:
        return Store(self._path(lang), lang)

    def index(self, lang: str) -> LanguageIndex:
        return LanguageIndex(self.folder / lang, lang)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Nothing is held by the folder itself."""

    def _path(self, lang: str) -> Path:
        return self.folder / lang / "store.sqlite"


def at(place: Place) -> Indexes:
    """A folder stands for the indexes below it."""
    return FolderIndexes(place) if isinstance(place, Path) else place


def stores(place: Place) -> dict[str, DocumentStore]:
    """The stores there are, by language."""
    indexes = at(place)
    return {lang: indexes.store(lang) for lang in indexes.languages()}
