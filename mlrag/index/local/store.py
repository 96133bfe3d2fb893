"""One SQLite file per language: the truth. Everything else in the index folder is derived from it.

WAL, one transaction per ingest, a commit number that grows with each. A document is keyed by its id and
known by its content hash: the same content again is a no-op, changed content replaces its passages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, starmap
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlrag.errors import EmbedderMismatchError
from mlrag.index.local.database import Database
from mlrag.index.local.storage_errors import convert_sqlite_errors
from mlrag.index.serialize import PackedDocument, PackedPassage, pack, unpack_int8
from mlrag.index.types import DocumentSource, EmbeddedPassage, ListedDocument, StoreCounts
from mlrag.types import PART_OF, Document, Halves, Passage, Span, Vectors, add_title

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


class Store(Database):
    """Documents, passages and vectors of one language."""

    def __init__(self, path: Path, lang: str) -> None:
        super().__init__(path, _SCHEMA)
        self.lang = lang

    @property
    def embedder(self) -> str | None:
        return self._read_meta("embedder")

    @property
    def engine(self) -> str | None:
        """What computed the vectors."""
        return self._read_meta("engine")

    def check_embedder(self, name: str) -> None:
        """Raises EmbedderMismatchError when the stored vectors come from another embedder."""
        stored = self.embedder
        if stored is not None and stored != name:
            raise EmbedderMismatchError(self.lang, stored, name)

    def list_sources(self, below: str = "") -> list[DocumentSource]:
        """Return the sources of the documents whose source is this path or lies below it; of all without a path."""
        records = self._fetch_all(
            f"SELECT id, source, coalesce(json_extract(meta, '$.\"{PART_OF}\"'), '') FROM documents "
            "WHERE ?1 IN ('', source) OR substr(source, 1, length(?1) + 1) = ?1 || '/' ORDER BY id",
            (below,),
        )
        return [DocumentSource(*row) for row in records]

    def move(self, sources: Mapping[str, str]) -> None:
        """Store new sources of documents, by id. Nothing that a search reads changes."""
        with self._connection() as connection, convert_sqlite_errors(self.path):
            connection.executemany("UPDATE documents SET source = ?2 WHERE id = ?1", sources.items())

    def hashes(self) -> dict[str, str]:
        """Return the content hash by document id."""
        return dict(self._fetch_all("SELECT id, hash FROM documents"))

    def counts(self) -> StoreCounts:
        return StoreCounts(
            *self._fetch_one(
                "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages), "
                "(SELECT count(*) FROM sentences)"
            )
        )

    def put(self, documents: Sequence[tuple[Document, Sequence[EmbeddedPassage]]], embedder: str, engine: str) -> None:
        """Add or replace documents, all or none."""
        self.put_packed([pack(document, passages) for document, passages in documents], embedder, engine)

    def put_packed(self, documents: Sequence[PackedDocument], embedder: str, engine: str) -> None:
        """Add or replace documents that another store gave, all or none."""
        self.check_embedder(embedder)
        with self._transaction() as connection:
            self._write_meta("embedder", embedder)
            self._write_meta("engine", engine)
            self._write_meta("schema", SCHEMA_VERSION)
            for item in documents:
                connection.execute("DELETE FROM documents WHERE id = ?", (item.document.id,))
                self._insert(connection, item)

    def _insert(self, connection: sqlite3.Connection, item: PackedDocument) -> None:
        d = item.document
        connection.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)", (d.id, d.title, d.text, d.source, item.hash, item.meta)
        )
        passages, sentences = [], []
        for row, packed in enumerate(item.passages, self._last_row() + 1):
            p = packed.passage
            passages.append((row, p.id, p.doc_id, p.start, p.end, p.text, packed.vector))
            sentences += [(row, span.start, span.end, vector) for span, vector in packed.sentences]
        connection.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)", passages)
        connection.executemany("INSERT INTO sentences VALUES (?, ?, ?, ?)", sentences)

    def _last_row(self) -> int:
        """Return the highest row that a passage ever had, deleted ones too."""
        record = self._fetch_one("SELECT seq FROM sqlite_sequence WHERE name = 'passages'")
        return record[0] if record else 0

    def pack_documents(self, doc_ids: Sequence[str]) -> list[PackedDocument]:
        """Return those of these documents that are stored, in order of their ids, as another store takes them."""
        with self.read_transaction():
            return [self._pack(doc_id) for doc_id in sorted(doc_ids) if self.document(doc_id)]

    def _pack(self, doc_id: str) -> PackedDocument:
        row = self._fetch_one("SELECT id, title, text, source, hash, meta FROM documents WHERE id = ?", (doc_id,))
        document = Document(row[0], self.lang, row[2], row[1], row[3], json.loads(row[5]))
        query = 'SELECT row, id, start, "end", text, vector FROM passages WHERE doc_id = ? ORDER BY row'
        spans = 'SELECT start, "end", vector FROM sentences WHERE passage = ? ORDER BY start'
        passages = tuple(
            PackedPassage(
                Passage(p[1], doc_id, self.lang, p[2], p[3], p[4], row[1]),
                p[5],
                tuple((Span(s[0], s[1]), s[2]) for s in self._fetch_all(spans, (p[0],))),
            )
            for p in self._fetch_all(query, (doc_id,))
        )
        return PackedDocument(document, row[4], row[5], passages)

    def delete(self, doc_ids: Sequence[str]) -> None:
        """Delete documents with their passages and sentences."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM documents WHERE id = ?", ((i,) for i in doc_ids))

    def document(self, doc_id: str) -> Document | None:
        row = self._fetch_one("SELECT id, title, text, source, meta FROM documents WHERE id = ?", (doc_id,))
        return row and Document(row[0], self.lang, row[2], row[1], row[3], json.loads(row[4]))

    def passages(self, rows: Sequence[int]) -> list[Passage]:
        """Return the passages of these rows, in this order."""
        marks = ",".join("?" * len(rows))
        records = self._fetch_all(f"{_PASSAGE} WHERE p.row IN ({marks})", rows)
        by_row = {r[0]: self._passage(r) for r in records}
        return [by_row[row] for row in rows]

    def all_passages(self, after: int = 0) -> Iterator[Passage]:
        """Yield every passage whose row is beyond `after`, in order of its row."""
        with self.read_transaction(), self._connection() as connection:
            yield from map(self._passage, connection.execute(f"{_PASSAGE} WHERE p.row > ? ORDER BY p.row", (after,)))

    def indexed_texts(self, after: int = 0) -> Iterator[str]:
        """Yield what the lexical ranker sees of those passages, in the same order."""
        query = (
            "SELECT d.title, p.text FROM passages p JOIN documents d ON d.id = p.doc_id WHERE p.row > ? ORDER BY p.row"
        )
        with self.read_transaction(), self._connection() as connection:
            yield from starmap(add_title, connection.execute(query, (after,)))

    def rows(self) -> NDArray[np.int64]:
        """Return the row of every passage, in order."""
        records = self._fetch_all("SELECT row FROM passages INDEXED BY passages_of_document")
        return np.sort(np.array([r[0] for r in records], np.int64))

    def _passage(self, r: tuple[int, str, str, int, int, str, str]) -> Passage:
        return Passage(r[1], r[2], self.lang, r[3], r[4], r[5], r[6])

    def rows_of(self, doc_ids: Sequence[str]) -> set[int]:
        """Return the passage rows of these documents."""
        records = self._fetch_all(
            "SELECT row FROM passages WHERE doc_id IN (SELECT value FROM json_each(?))", (json.dumps(list(doc_ids)),)
        )
        return {r[0] for r in records}

    def find_matching(self, filters: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """Return the ids of documents whose front matter has one of the values in each field (in a list: holds one).

        Values are compared as text: 7 is "7", a date is "2024-01-31", yes is "true".
        """
        ids = {r[0] for r in self._fetch_all("SELECT id FROM documents")}
        for field, values in filters.items():
            wanted = json.dumps(list(values), ensure_ascii=False)
            ids &= {r[0] for r in self._fetch_all(_MATCHING, (field, wanted))}
        return frozenset(ids)

    def list_documents(self, offset: int, limit: int) -> list[ListedDocument]:
        """Return a page of the documents, in order of their ids."""
        records = self._fetch_all(_LISTED + "ORDER BY d.id LIMIT ? OFFSET ?", (limit, offset))
        return [ListedDocument(r[0], r[1], r[2], r[3], r[4], json.loads(r[5])) for r in records]

    def sentences(self, rows: Sequence[int]) -> list[tuple[list[Span], Vectors]]:
        """Return each passage's sentences (document offsets) and their vectors, (n, dim) float32."""
        marks = ",".join("?" * len(rows))
        records = self._fetch_all(
            f'SELECT passage, start, "end", vector FROM sentences WHERE passage IN ({marks}) ORDER BY passage, start',
            rows,
        )
        vectors, at = unpack_int8([r[3] for r in records]), 0
        by_row: dict[int, tuple[list[Span], Vectors]] = {row: ([], vectors[:0]) for row in rows}
        for row, group in groupby(records, itemgetter(0)):
            spans = [Span(r[1], r[2]) for r in group]
            by_row[row] = spans, vectors[at : at + len(spans)]
            at += len(spans)
        return [by_row[row] for row in rows]

    def vectors(self, after: int = 0) -> tuple[NDArray[np.int64], Halves]:
        """Return the row numbers and the (n, dim) float16 vectors of the passages whose row is beyond `after`."""
        query = "SELECT row, vector FROM passages WHERE row > ? ORDER BY row"
        records = self._fetch_all(query, (after,))
        rows = np.array([r[0] for r in records], np.int64)
        if not records:
            return rows, np.zeros((0, 0), np.float16)
        return rows, np.frombuffer(b"".join(r[1] for r in records), np.float16).reshape(len(records), -1)

    def sentence_vectors(self, count: int) -> Vectors:
        """Return about `count` sentences' vectors, evenly over the store, always the same ones; (n, dim) float32."""
        last = self._fetch_one("SELECT coalesce(max(rowid), 0) FROM sentences")[0]
        query = "SELECT vector FROM sentences WHERE rowid >= ? LIMIT 1"
        row_ids = sorted({1 + last * n // count for n in range(count)}) if last else []
        vectors = [self._fetch_one(query, (row_id,)) for row_id in row_ids]
        return unpack_int8([v[0] for v in vectors if v])
