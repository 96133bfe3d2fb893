"""What a storage backend must do, and an index of one language in it. There are two: folders, and PostgreSQL."""

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
    `exclude` are left out; `only`, where given, names all that may be found. The first `detailed` hits come with their
    sentences."""

    question: str
    vector: Vectors
    k: int = 5
    readable: bool = True
    exclude: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    detailed: int = 3


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found at one commit, among `live` passages; `sentences` of the first hits, with their vectors.

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
    """The commit that a search sees, and its number of passages."""

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
    """One language: its store and the search over it. `rebuilt_because`: why it had to be built again, "" where not."""

    lang: str
    rebuilt_because: str

    @property
    def store(self) -> DocumentStore: ...

    def read_transaction(self) -> AbstractContextManager[object]:
        """Search one commit inside."""

    def search(self, query: SearchQuery) -> SearchResult:
        """Return the k best passages by both rankers; no hit where nothing is stored."""

    def rank(self, query: SearchQuery, ranker: Ranker) -> list[str]:
        """Return the ids of the k best passages by one ranker alone or by both, for measuring."""

    def refresh(self) -> IndexState:
        """Build what a search needs, where it is not there yet."""

    def optimize(self) -> IndexState:
        """Refresh, and do whatever else is due after a change."""

    def load_baseline(self, key: str) -> Vectors | None:
        """Return the off-topic baseline that was saved under this key; None where too much has changed since."""

    def save_baseline(self, key: str, values: Vectors, commit: int) -> None:
        """Save a baseline that was measured at a commit, for as long as `off_topic_baseline.CHANGED_PART` says."""

    def size(self) -> int:
        """Return the bytes that it takes."""


class Indexes(Protocol):
    """A storage backend: the indexes of all languages. `hosts`: the machines that it is on; none for this process."""

    @property
    def hosts(self) -> tuple[str, ...]: ...

    def languages(self) -> list[str]:
        """Return the languages that have an index, sorted."""

    def holds(self, lang: str) -> bool: ...

    def store(self, lang: str) -> DocumentStore:
        """Return the store of a language; the first `put` makes it."""

    def index(self, lang: str) -> Index:
        """Open it, or return the one that is open. Raises MissingIndexError for a language without one."""

    def clear(self) -> None:
        """Forget everything."""

    def close(self) -> None:
        """Give back what is held open."""


def stores(indexes: Indexes) -> dict[str, DocumentStore]:
    """Return the stores of all languages that have one."""
    return {lang: indexes.store(lang) for lang in indexes.languages()}
