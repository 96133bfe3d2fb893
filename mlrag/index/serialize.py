"""Documents as the bytes that stores keep, the same in each: passages in float16, sentences in int8 with a scale."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mlrag.index.types import EmbeddedPassage
from mlrag.types import Document, Passage, Span, Vectors

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


def pack_int8(vectors: Vectors) -> list[bytes]:
    """Pack each row: a float32 scale, then one int8 a dimension; value = scale × int8."""
    scales = np.abs(vectors).max(1, initial=0, keepdims=True) / np.float32(127)
    scales[scales == 0] = 1
    scaled = np.rint(vectors / scales)
    packed = np.concatenate([scales.view(np.int8), scaled.astype(np.int8)], axis=1)
    blobs: list[bytes] = packed.view(f"V{packed.shape[1]}").ravel().tolist()
    return blobs


def unpack_int8(blobs: Sequence[bytes]) -> Vectors:
    """Return (n, dim) vectors; (0, 0) for none."""
    if not blobs:
        return np.zeros((0, 0), np.float32)
    packed = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), -1)
    return packed[:, 4:].view(np.int8).astype(np.float32) * packed[:, :4].copy().view(np.float32)


def pack(document: Document, passages: Sequence[EmbeddedPassage]) -> PackedDocument:
    """Pack a document as stores keep it."""
    meta = json.dumps(dict(document.meta), ensure_ascii=False, default=str).encode("utf-8", "replace").decode()
    meta = _NUL.sub(r"\1", meta)
    matrices = [p.sentence_vectors for p in passages if len(p.sentence_vectors)]
    vectors = iter(pack_int8(np.concatenate(matrices)) if matrices else [])
    packed = tuple(
        PackedPassage(p.passage, p.vector.astype("<f2").tobytes(), tuple((s, next(vectors)) for s in p.sentences))
        for p in passages
    )
    return PackedDocument(document, document.content_hash, meta, packed)


def checksum(documents: Iterable[PackedDocument]) -> str:
    """Return SHA-256 over all that is stored of documents, in the order given: equal in every store that holds them."""
    digest = hashlib.sha256()
    for d in documents:
        fields = (d.document.id, d.document.title, d.document.text, d.document.source, d.hash, d.meta)
        digest.update(repr(fields).encode("utf-8"))
        for p in d.passages:
            passage = (p.passage.id, p.passage.start, p.passage.end, p.passage.text, p.vector, p.sentences)
            digest.update(repr(passage).encode("utf-8"))
    return digest.hexdigest()
