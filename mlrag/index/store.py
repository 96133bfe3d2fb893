"""One SQLite file per language: the truth. Everything else in the index folder is derived from it.

WAL, one transaction per ingest, a commit number that grows with each. A document is keyed by its id and
known by its content hash: the same content again is a no-op, changed content replaces its passages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlrag.errors import EmbedderMismatchError
from mlrag.index.database import Database
from mlrag.index.storage import told
from mlrag.records import PART_OF, Document, Passage, Span, Vectors

SCHEMA_VERSION = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL,
    meta TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS passages (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    doc_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS passages_of_document ON passages(doc_id);
CREATE TABLE IF NOT EXISTS sentences (
    passage INTEGER NOT NULL REFERENCES passages(row) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS sentences_of_passage ON sentences(passage);
"""
_PASSAGE = (
    'SELECT p.row, p.id, p.doc_id, p.start, p."end", p.text, d.title '
    "FROM passages p JOIN documents d ON d.id = p.doc_id"
)
_MATCHING = """
SELECT d.id FROM documents d, json_each(json_patch(json_object('id', d.id, 'title', d.title), d.meta)) field,
    json_each(CASE field.type WHEN 'array' THEN field.value ELSE json_array(NULL) END) item
WHERE field.key = ?1 AND EXISTS (
    SELECT 1 FROM json_each(?2) wanted WHERE wanted.value = CASE iif(field.type = 'array', item.type, field.type)
        WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
        ELSE CAST(iif(field.type = 'array', item.atom, field.atom) AS TEXT) END)
"""
_LISTED = (
    "SELECT d.id, d.title, d.source, length(d.text), "
    "(SELECT count(*) FROM passages p WHERE p.doc_id = d.id), d.meta FROM documents d "
)


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
class Stored:
    """A stored document: where it came from, and, where it is a part of one in another language, that language."""

    id: str
    source: str
    part_of: str


def pack_int8(vectors: Vectors) -> list[bytes]:
    """Of each row a float32 scale, then one int8 a dimension: value = scale × int8."""
    scales = np.abs(vectors).max(1, initial=0, keepdims=True) / np.float32(127)
    scales[scales == 0] = 1
    whole = np.rint(vectors / scales).astype(np.int8)
    return [scale.tobytes() + row.tobytes() for scale, row in zip(scales, whole, strict=True)]


def _packed(passages: Sequence[EmbeddedPassage]) -> list[bytes]:
    """The sentence vectors of all passages, one after the other."""
    matrices = [p.sentence_vectors for p in passages if len(p.sentence_vectors)]
    return pack_int8(np.concatenate(matrices)) if matrices else []


def unpack_int8(blobs: Sequence[bytes]) -> Vectors:
    """(n, dim) of n vectors of one length, (0, 0) of none."""
    if not blobs:
        return np.zeros((0, 0), np.float32)
    packed = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), -1)
    return packed[:, 4:].view(np.int8).astype(np.float32) * packed[:, :4].copy().view(np.float32)


class Store(Database):
    """Documents, passages and vectors of one language."""

    def __init__(self, path: Path, lang: str) -> None:
        super().__init__(path, _SCHEMA)
        self.lang = lang

    @property
    def embedder(self) -> str | None:
        return self._read_meta("embedder")

    def check_embedder(self, name: str) -> None:
        """Raises EmbedderMismatchError when the stored vectors come from another embedder."""
        stored = self.embedder
        if stored is not None and stored != name:
            raise EmbedderMismatchError(self.lang, stored, name)

    def stored(self, below: str = "") -> list[Stored]:
        """The documents whose source is this path or lies below it; all without one."""
        found = self._connection().execute(
            f"SELECT id, source, coalesce(json_extract(meta, '$.\"{PART_OF}\"'), '') FROM documents "
            "WHERE ?1 IN ('', source) OR substr(source, 1, length(?1) + 1) = ?1 || '/' ORDER BY id",
            (below,),
        )
        return [Stored(*row) for row in found]

    def move(self, sources: Mapping[str, str]) -> None:
        """Say that documents, by id, now come from elsewhere. Nothing that a search reads changes."""
        with told(self.path):
            self._connection().executemany("UPDATE documents SET source = ?2 WHERE id = ?1", sources.items())

    def hashes(self) -> dict[str, str]:
        """Content hash by document id."""
        return dict(self._connection().execute("SELECT id, hash FROM documents"))

    def counts(self) -> StoreCounts:
        one = (
            self._connection()
            .execute(
                "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages), "
                "(SELECT count(*) FROM sentences)"
            )
            .fetchone()
        )
        return StoreCounts(*one)

    def put(self, documents: Sequence[tuple[Document, Sequence[EmbeddedPassage]]], embedder: str, engine: str) -> None:
        """Add or replace documents, all or none."""
        self.check_embedder(embedder)
        with self._transaction() as connection:
            self._write_meta("embedder", embedder)
            self._write_meta("engine", engine)
            self._write_meta("schema", SCHEMA_VERSION)
            for document, passages in documents:
                connection.execute("DELETE FROM documents WHERE id = ?", (document.id,))
                self._insert(connection, document, passages)

    def _insert(self, connection: sqlite3.Connection, document: Document, passages: Sequence[EmbeddedPassage]) -> None:
        meta = json.dumps(dict(document.meta), ensure_ascii=False, default=str).encode("utf-8", "replace").decode()
        connection.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)",
            (document.id, document.title, document.text, document.source, document.content_hash, meta),
        )
        packed, at = _packed(passages), 0
        for item in passages:
            p = item.passage
            row = connection.execute(
                'INSERT INTO passages (id, doc_id, start, "end", text, vector) VALUES (?, ?, ?, ?, ?, ?)',
                (p.id, p.doc_id, p.start, p.end, p.text, item.vector.astype(np.float16).tobytes()),
            ).lastrowid
            connection.executemany(
                "INSERT INTO sentences VALUES (?, ?, ?, ?)",
                (
                    (row, span.start, span.end, vector)
                    for span, vector in zip(item.sentences, packed[at : at + len(item.sentence_vectors)], strict=True)
                ),
            )
            at += len(item.sentence_vectors)

    def delete(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that hangs on them."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM documents WHERE id = ?", ((i,) for i in doc_ids))

    def document(self, doc_id: str) -> Document | None:
        row = (
            self._connection()
            .execute("SELECT id, title, text, source, meta FROM documents WHERE id = ?", (doc_id,))
            .fetchone()
        )
        return row and Document(row[0], self.lang, row[2], row[1], row[3], json.loads(row[4]))

    def passages(self, rows: Sequence[int]) -> list[Passage]:
        """The passages of these rows, in the order asked for."""
        marks = ",".join("?" * len(rows))
        found = {
            r[0]: self._passage(r)
            for r in self._connection().execute(f"{_PASSAGE} WHERE p.row IN ({marks})", list(map(int, rows)))
        }
        return [found[int(row)] for row in rows]

    def all_passages(self, after: int = 0) -> Iterator[Passage]:
        """Every passage whose row is beyond `after`, in order of its row."""
        return map(self._passage, self._connection().execute(f"{_PASSAGE} WHERE p.row > ? ORDER BY p.row", (after,)))

    def rows(self) -> NDArray[np.int64]:
        """The row of every passage, in order."""
        found = self._connection().execute("SELECT row FROM passages INDEXED BY passages_of_document")
        return np.sort(np.array([r[0] for r in found], np.int64))

    def _passage(self, r: tuple[int, str, str, int, int, str, str]) -> Passage:
        return Passage(r[1], r[2], self.lang, r[3], r[4], r[5], r[6])

    def rows_of(self, doc_ids: Sequence[str]) -> set[int]:
        """The passage rows of these documents."""
        found = self._connection().execute(
            "SELECT row FROM passages WHERE doc_id IN (SELECT value FROM json_each(?))", (json.dumps(list(doc_ids)),)
        )
        return {r[0] for r in found}

    def matching(self, filters: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """Ids of the documents whose front matter has, in each field, one of the values (in a list: holds one).

        Values are compared as text: 7 is "7", a date is "2024-01-31", yes is "true".
        """
        found = self._connection().execute("SELECT id FROM documents")
        ids = {r[0] for r in found}
        for field, values in filters.items():
            wanted = json.dumps(list(values), ensure_ascii=False)
            ids &= {r[0] for r in self._connection().execute(_MATCHING, (field, wanted))}
        return frozenset(ids)

    def listed(self, offset: int, limit: int) -> list[ListedDocument]:
        """A page of the documents, in order of their ids."""
        found = self._connection().execute(_LISTED + "ORDER BY d.id LIMIT ? OFFSET ?", (limit, offset))
        return [ListedDocument(r[0], r[1], r[2], r[3], r[4], json.loads(r[5])) for r in found]

    def sentences(self, row: int) -> tuple[list[Span], Vectors]:
        """A passage's sentences (document offsets) and their vectors, (n, dim) float32."""
        found = (
            self._connection()
            .execute('SELECT start, "end", vector FROM sentences WHERE passage = ? ORDER BY start', (int(row),))
            .fetchall()
        )
        return [Span(r[0], r[1]) for r in found], unpack_int8([r[2] for r in found])

    def vectors(self, after: int = 0) -> tuple[NDArray[np.int64], Vectors]:
        """(rows, matrix): the numbers and (n, dim) float32 vectors of the passages whose row is beyond `after`."""
        asked = "SELECT row, vector FROM passages WHERE row > ? ORDER BY row"
        found = self._connection().execute(asked, (after,)).fetchall()
        rows = np.array([r[0] for r in found], np.int64)
        if not found:
            return rows, np.zeros((0, 0), np.float32)
        flat = np.frombuffer(b"".join(r[1] for r in found), np.float16)
        return rows, flat.astype(np.float32).reshape(len(found), -1)
