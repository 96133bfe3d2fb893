"""What a place for indexes must do, and an index of one language in it. Two do: folders, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mlrag.index.serialize import PackedDocument
from mlrag.index.types import DocumentSource, EmbeddedPassage, ListedDocument, StoreCounts
from mlrag.types import Document, Halves, Hit, Passage, Span, Vectors

Ranker = Literal["dense", "lexical", "hybrid"]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One search. `vector` (dim,) of length 1. `readable`: the question is in the index's script. Documents in
    `exclude` are treated as if they were not there; `only`, where given, names all that are. The first `detailed` hits
    come with their sentences."""

    question: str
    vector: Vectors
    k: int = 5
    readable: bool = True
    exclude: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    detailed: int = 3


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found at one commit, of `live` passages; `sentences` of the first hits, with their vectors.

    `mean` and `std` are of the question's cosines to all passages, `idf` that of each distinct token of the question.
    """

    commit: int
    live: int
    hits: tuple[Hit, ...]
    sentences: tuple[tuple[list[Span], Vectors], ...]
    mean: float
    std: float
    idf: Mapping[str, float]


class IndexState(Protocol):
    """Which commit a search sees, and how many passages."""

    @property
    def commit(self) -> int: ...

    @property
    def live(self) -> int: ...


class DocumentStore(Protocol):
    """Documents, passages and vectors of one language. The methods do what those of `local.store.Store` do.

    Every method may raise StorageError.
    """

    lang: str

    @property
    def embedder(self) -> str | None: ...

    @property
    def engine(self) -> str | None: ...

    @property
    def commit(self) -> int: ...

    @property
    def is_current(self) -> bool: ...

    def check_embedder(self, name: str) -> None: ...

    def list_sources(self, below: str = "") -> list[DocumentSource]: ...

    def move(self, sources: Mapping[str, str]) -> None: ...

    def hashes(self) -> dict[str, str]: ...

    def counts(self) -> StoreCounts: ...

    def put(
        self, documents: Sequence[tuple[Document, Sequence[EmbeddedPassage]]], embedder: str, engine: str
    ) -> None: ...

    def put_packed(self, documents: Sequence[PackedDocument], embedder: str, engine: str) -> None: ...

    def pack_documents(self, doc_ids: Sequence[str]) -> list[PackedDocument]: ...

    def delete(self, doc_ids: Sequence[str]) -> None: ...

    def document(self, doc_id: str) -> Document | None: ...

    def passages(self, rows: Sequence[int]) -> list[Passage]: ...

    def all_passages(self, after: int = 0) -> Iterator[Passage]: ...

    def find_matching(self, filters: Mapping[str, Sequence[str]]) -> frozenset[str]: ...

    def list_documents(self, offset: int, limit: int) -> list[ListedDocument]: ...

    def sentences(self, rows: Sequence[int]) -> list[tuple[list[Span], Vectors]]: ...

    def vectors(self, after: int = 0) -> tuple[NDArray[np.int64], Halves]: ...


class Index(Protocol):
    """One language: its store and the search over it. `rebuilt_because`: why it had to be made anew, "" where not."""

    lang: str
    rebuilt_because: str

    @property
    def store(self) -> DocumentStore: ...

    def read_transaction(self) -> AbstractContextManager[object]:
        """What is searched inside is of one commit, as far as one search asks."""

    def search(self, asked: SearchQuery) -> SearchResult:
        """The k best passages by both legs; no hit where nothing is stored."""

    def rank(self, asked: SearchQuery, leg: Ranker) -> list[str]:
        """Ids of the k best passages by one leg alone or by both, for measuring."""

    def refresh(self) -> IndexState:
        """Make what a search needs, where it is not there yet."""

    def optimize(self) -> IndexState:
        """As `current`, and whatever else is due after a change."""

    def load_baseline(self, key: str) -> Vectors | None:
        """What `save_baseline` kept under this key, unless too much changed since."""

    def save_baseline(self, key: str, values: Vectors, commit: int) -> None:
        """Keep what was measured at a commit, with `null.carry_null`'s rule for how long."""

    def size(self) -> int:
        """Bytes that it takes."""


class Indexes(Protocol):
    """The indexes of all languages in one place. `hosts`: the machines that it is on; none for this process."""

    @property
    def hosts(self) -> tuple[str, ...]: ...

    def languages(self) -> list[str]:
        """Those that have an index, sorted."""

    def holds(self, lang: str) -> bool: ...

    def store(self, lang: str) -> DocumentStore:
        """Made at the first `put` where there is none."""

    def index(self, lang: str) -> Index:
        """Open it, or return the one that is open. Raises MissingIndexError for a language without one."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Give back what is held open."""


def stores(indexes: Indexes) -> dict[str, DocumentStore]:
    """Return the stores of all languages that have one."""
    return {lang: indexes.store(lang) for lang in indexes.languages()}
