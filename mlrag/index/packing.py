"""Documents as the bytes that stores keep, the same in each: passages in float16, sentences in int8 with a scale."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mlrag.index.values import EmbeddedPassage
from mlrag.records import Document, Passage, Span, Vectors

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # JSON's NUL, which PostgreSQL cannot hold


@dataclass(frozen=True, slots=True)
class PackedPassage:
    """`vector` in little-endian float16; each sentence's as of `pack_int8`."""

    passage: Passage
    vector: bytes
    sentences: tuple[tuple[Span, bytes], ...]


@dataclass(frozen=True, slots=True)
class PackedDocument:
    """`hash` as it was when the document was read; `meta` is JSON."""

    document: Document
    hash: str
    meta: str
    passages: tuple[PackedPassage, ...]


def pack_int8(vector: Vectors) -> bytes:
    """A float32 scale, then one int8 a dimension: value = scale × int8."""
    scale = np.float32(np.abs(vector).max() / 127 or 1.0)
    return bytes(scale.tobytes() + np.rint(vector / scale).astype(np.int8).tobytes())


def unpack_int8(blob: bytes) -> Vectors:
    return np.frombuffer(blob, np.int8, offset=4).astype(np.float32) * np.frombuffer(blob, np.float32, 1)


def pack(document: Document, passages: Sequence[EmbeddedPassage]) -> PackedDocument:
    """A document on its way into a store."""
    meta = json.dumps(dict(document.meta), ensure_ascii=False, default=str).encode("utf-8", "replace").decode()
    meta = _NUL.sub(r"\1", meta)
    return PackedDocument(document, document.content_hash, meta, tuple(map(_packed, passages)))


def _packed(item: EmbeddedPassage) -> PackedPassage:
    sentences = zip(item.sentences, item.sentence_vectors, strict=True)
    return PackedPassage(
        item.passage, item.vector.astype("<f2").tobytes(), tuple((s, pack_int8(v)) for s, v in sentences)
    )


def checksum(documents: Iterable[PackedDocument]) -> str:
    """SHA-256 over all that is kept of documents, in the order given: equal in every store that holds them."""
    digest = hashlib.sha256()
    for d in documents:
        own = (d.document.id, d.document.title, d.document.text, d.document.source, d.hash, d.meta)
        digest.update(repr(own).encode("utf-8"))
        for p in d.passages:
            place = (p.passage.id, p.passage.start, p.passage.end, p.passage.text, p.vector, p.sentences)
            digest.update(repr(place).encode("utf-8"))
    return digest.hexdigest()
