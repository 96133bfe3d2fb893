"""Documents, passages and vectors of one language, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray

from mlrag.errors import EmbedderMismatchError
from mlrag.index.postgres.server import Connection, Server
from mlrag.index.postgres.writing import add, create_tables, lock_language, remove, write_language
from mlrag.index.serialize import PackedDocument, PackedPassage, pack, unpack_int8
from mlrag.index.types import DocumentSource, EmbeddedPassage, ListedDocument, StoreCounts
from mlrag.types import PART_OF, Document, Halves, Passage, Span, Vectors

_BLOCK = 1000  # passages read at once
_BELOW = (
    "SELECT id, source, coalesce(meta ->> %(part)s, '') FROM mlrag.document WHERE lang = %(lang)s AND (%(below)s = '' "
    "OR source = %(below)s OR starts_with(source, %(below)s || '/')) ORDER BY id"
)
_PASSAGE: LiteralString = (
    'SELECT p.row, p.id, p.doc_id, p.start, p."end", p.text, d.title FROM mlrag.passage p '
    "JOIN mlrag.document d ON d.lang = p.lang AND d.id = p.doc_id WHERE p.lang = %s"
)
_MATCHING = """
SELECT d.id FROM mlrag.document d,
    LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object('id', d.id, 'title', d.title) || d.meta::jsonb) -> %(field)s)
        AS field (value),
    LATERAL (SELECT field.value WHERE jsonb_typeof(field.value) <> 'array' UNION ALL SELECT jsonb_array_elements(
        CASE jsonb_typeof(field.value) WHEN 'array' THEN field.value ELSE '[]' END)) AS item (value)
WHERE d.lang = %(lang)s AND jsonb_typeof(item.value) NOT IN ('object', 'array')
    AND item.value #>> '{}' = ANY(%(values)s)
"""
_COUNTS = """
SELECT (SELECT count(*) FROM mlrag.document WHERE lang = %(lang)s), count(*), coalesce(sum(cardinality(starts)), 0)
FROM mlrag.passage WHERE lang = %(lang)s
"""
_LISTED = """
SELECT d.id, d.title, d.source, length(d.text),
    (SELECT count(*) FROM mlrag.passage p WHERE p.lang = d.lang AND p.doc_id = d.id), d.meta
FROM mlrag.document d WHERE d.lang = %s ORDER BY d.id LIMIT %s OFFSET %s
"""
_PACKED_DOCUMENTS = (
    "SELECT id, title, text, source, hash, meta::text FROM mlrag.document WHERE lang = %s AND id = ANY(%s) ORDER BY id"
)
_PACKED_PASSAGES = """
SELECT doc_id, id, start, "end", text, vector, starts, ends, vectors FROM mlrag.passage
WHERE lang = %s AND doc_id = ANY(%s) ORDER BY row
"""


class PostgresStore:
    """As `mlrag.index.local.store.Store`, which says what the methods do. Raises StorageError from each."""

    def __init__(self, server: Server, lang: str) -> None:
        self._server = server
        self.lang = lang

    @property
    def is_current(self) -> bool:
        """Always: no other file can replace a table."""
        return True

    @property
    def embedder(self) -> str | None:
        return self._read_field("SELECT nullif(embedder, '') FROM mlrag.language WHERE lang = %s")

    @property
    def engine(self) -> str | None:
        return self._read_field("SELECT nullif(engine, '') FROM mlrag.language WHERE lang = %s")

    @property
    def commit(self) -> int:
        return int(self._read_field("SELECT commit FROM mlrag.language WHERE lang = %s") or 0)

    def _read_field(self, query: LiteralString) -> str | None:
        found = self._all(query, (self.lang,))
        return found[0][0] if found else None

    def _all(self, query: LiteralString, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._server.read(lambda connection: connection.execute(query, values).fetchall())

    def check_embedder(self, name: str) -> None:
        self._check(self.embedder, name)

    def _check(self, stored: str | None, name: str) -> None:
        if stored and stored != name:
            raise EmbedderMismatchError(self.lang, stored, name)

    def list_sources(self, below: str = "") -> list[DocumentSource]:
        found = self._all(_BELOW, {"part": PART_OF, "lang": self.lang, "below": below})
        return [DocumentSource(*row) for row in found]

    def move(self, sources: Mapping[str, str]) -> None:
        moved = [(source, self.lang, doc_id) for doc_id, source in sources.items()]

        def work(connection: Connection) -> None:
            with connection.cursor() as cursor:
                cursor.executemany("UPDATE mlrag.document SET source = %s WHERE lang = %s AND id = %s", moved)

        self._server.write(work)

    def hashes(self) -> dict[str, str]:
        return {r[0]: r[1] for r in self._all("SELECT id, hash FROM mlrag.document WHERE lang = %s", (self.lang,))}

    def counts(self) -> StoreCounts:
        return StoreCounts(*self._all(_COUNTS, {"lang": self.lang})[0])

    def put(self, documents: Sequence[tuple[Document, Sequence[EmbeddedPassage]]], embedder: str, engine: str) -> None:
        self.put_packed([pack(document, passages) for document, passages in documents], embedder, engine)

    def put_packed(self, documents: Sequence[PackedDocument], embedder: str, engine: str) -> None:
        latest = list({d.document.id: d for d in documents}.values())

        def work(connection: Connection) -> None:
            before = lock_language(connection, self.lang)
            self._check(before.embedder, embedder)
            left, gone = remove(connection, self.lang, [d.document.id for d in latest], before)
            held = add(connection, self.lang, latest, left)
            changed = gone + held.passages - left.passages
            write_language(connection, self.lang, replace(held, embedder=embedder, engine=engine), changed)

        create_tables(self._server, self.lang)
        self._server.write(work)

    def delete(self, doc_ids: Sequence[str]) -> None:
        def work(connection: Connection) -> None:
            left, gone = remove(connection, self.lang, doc_ids, lock_language(connection, self.lang))
            write_language(connection, self.lang, left, gone)

        create_tables(self._server, self.lang)
        self._server.write(work)

    def pack_documents(self, doc_ids: Sequence[str]) -> list[PackedDocument]:
        asked = self.lang, list(doc_ids)
        documents = self._all(_PACKED_DOCUMENTS, asked)
        titles = {d[0]: d[1] for d in documents}
        by_doc: dict[str, list[PackedPassage]] = {d[0]: [] for d in documents}
        for doc_id, name, start, end, text, vector, starts, ends, vectors in self._all(_PACKED_PASSAGES, asked):
            passage = Passage(name, doc_id, self.lang, start, end, text, titles[doc_id])
            spans = (Span(*span) for span in zip(starts, ends, strict=True))
            half = vector.to_numpy().astype("<f2").tobytes()
            by_doc[doc_id].append(PackedPassage(passage, half, tuple(zip(spans, vectors, strict=True))))
        return [
            PackedDocument(Document(d[0], self.lang, d[2], d[1], d[3], json.loads(d[5])), d[4], d[5], (*by_doc[d[0]],))
            for d in documents
        ]

    def document(self, doc_id: str) -> Document | None:
        query = "SELECT id, title, text, source, meta FROM mlrag.document WHERE lang = %s AND id = %s"
        found = self._all(query, (self.lang, doc_id))
        return Document(found[0][0], self.lang, found[0][2], found[0][1], *found[0][3:]) if found else None

    def passages(self, rows: Sequence[int]) -> list[Passage]:
        asked = self.lang, list(rows)
        found = {r[0]: self._passage(r) for r in self._all(_PASSAGE + " AND p.row = ANY(%s::bigint[])", asked)}
        return [found[row] for row in rows]

    def all_passages(self, after: int = 0) -> Iterator[Passage]:
        while found := self._all(_PASSAGE + " AND p.row > %s ORDER BY p.row LIMIT %s", (self.lang, after, _BLOCK)):
            yield from map(self._passage, found)
            after = found[-1][0]

    def _passage(self, r: tuple[Any, ...]) -> Passage:
        return Passage(r[1], r[2], self.lang, *r[3:7])

    def find_matching(self, filters: Mapping[str, Sequence[str]]) -> frozenset[str]:
        ids = set(self.hashes())
        for field, values in filters.items():
            ids &= {r[0] for r in self._all(_MATCHING, {"lang": self.lang, "field": field, "values": list(values)})}
        return frozenset(ids)

    def list_documents(self, offset: int, limit: int) -> list[ListedDocument]:
        return [ListedDocument(*row) for row in self._all(_LISTED, (self.lang, limit, offset))]

    def sentences(self, rows: Sequence[int]) -> list[tuple[list[Span], Vectors]]:
        query = "SELECT row, starts, ends, vectors FROM mlrag.passage WHERE lang = %s AND row = ANY(%s::bigint[])"
        own = {r[0]: unpack_sentences(*r[1:]) for r in self._all(query, (self.lang, list(rows)))}
        return [own[row] for row in rows]

    def vectors(self, after: int = 0) -> tuple[NDArray[np.int64], Halves]:
        query = "SELECT row, vector FROM mlrag.passage WHERE lang = %s AND row > %s ORDER BY row"
        found = self._all(query, (self.lang, after))
        rows = np.array([r[0] for r in found], np.int64)
        halves = [r[1].to_numpy().astype(np.float16) for r in found]
        return rows, np.stack(halves) if halves else np.zeros((0, 0), np.float16)


def unpack_sentences(
    starts: Sequence[int], ends: Sequence[int], vectors: Sequence[bytes]
) -> tuple[list[Span], Vectors]:
    """Return a passage's sentences and their vectors."""
    return [Span(*s) for s in zip(starts, ends, strict=True)], unpack_int8(vectors)
