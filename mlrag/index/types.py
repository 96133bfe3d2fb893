"""What stores take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlrag.types import Passage, Span, Vectors


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document as lists show it. `characters` of its text."""

    id: str
    title: str
    source: str
    characters: int
    passages: int
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EmbeddedPassage:
    """A passage with its vector, its sentences (document offsets) and theirs."""

    passage: Passage
    vector: Vectors
    sentences: tuple[Span, ...]
    sentence_vectors: Vectors


@dataclass(frozen=True, slots=True)
class StoreCounts:
    documents: int
    passages: int
    sentences: int


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a stored document came from; `part_of`: the language of the whole where it is a part of one, else ""."""

    id: str
    source: str
    part_of: str
