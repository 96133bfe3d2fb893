"""Changes of one language's documents: inside one transaction, behind a lock on the language's row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pgvector import HalfVector
from psycopg.sql import SQL, Identifier

from mlrag.index.cosine_stats import CosineStats
from mlrag.index.off_topic_baseline import CHANGED_PART
from mlrag.index.postgres.postings import blocks, postings
from mlrag.index.postgres.postings_table import make_table, table
from mlrag.index.postgres.server import Connection, Server
from mlrag.index.serialize import PackedDocument
from mlrag.types import Halves

_LOCKED = "SELECT embedder, engine, last_row, passages, tokens, moments FROM mlrag.language WHERE lang = %s FOR UPDATE"
_REMOVED = """
WITH gone AS (DELETE FROM mlrag.passage WHERE lang = %(lang)s AND doc_id = ANY(%(ids)s) RETURNING row, vector, length),
kept AS (INSERT INTO mlrag.gone SELECT %(lang)s, row FROM gone)
SELECT vector, length FROM gone
"""
_DOCUMENT = "INSERT INTO mlrag.document VALUES (%s, %s, %s, %s, %s, %s, %s)"
_PASSAGES = (
    'COPY mlrag.passage (lang, row, id, doc_id, start, "end", text, vector, length, starts, ends, vectors) FROM STDIN'
    " (FORMAT BINARY)"
)
_TYPES = ["text", "int8", "text", "text", "int4", "int4", "text", "halfvec", "int4", "int4[]", "int4[]", "bytea[]"]
_POSTINGS = "COPY {} (token, number, bound, average, packed) FROM STDIN"
_LINES = 1000  # of postings, sent at once
_CLOSED = """
UPDATE mlrag.language SET commit = commit + 1, stamp = gen_random_uuid(), embedder = %(embedder)s, engine = %(engine)s,
    last_row = %(last)s, passages = %(passages)s, tokens = %(tokens)s, moments = %(moments)s,
    loose = loose + %(changed)s WHERE lang = %(lang)s
"""
_CHANGED = "UPDATE mlrag.off_topic SET changed = changed + %s WHERE lang = %s"
_FORGOTTEN = "DELETE FROM mlrag.off_topic WHERE lang = %s AND changed * %s >= %s"


@dataclass(frozen=True, slots=True)
class LanguageRow:
    """The language's row: what made the vectors, the last row given, numbers of passages and of their tokens, cosine
    statistics of the vectors."""

    embedder: str
    engine: str
    last: int
    passages: int
    tokens: int
    stats: CosineStats | None


def create_tables(server: Server, lang: str) -> None:
    """Make the language's row and partitions where there are none."""

    def work(connection: Connection) -> None:
        if _has_tables(connection, lang):
            return
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('mlrag.partitions'))")
        made = SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF mlrag.passage FOR VALUES IN ({})")
        connection.execute(made.format(Identifier("mlrag", f"passage_{lang}"), lang))
        make_table(connection, lang)
        connection.execute("INSERT INTO mlrag.language (lang) VALUES (%s) ON CONFLICT DO NOTHING", (lang,))

    server.write(work)


def _has_tables(connection: Connection, lang: str) -> bool:
    row = connection.execute("SELECT to_regclass(format('mlrag.%%I', 'postings_' || %s::text))", (lang,)).fetchone()
    return bool(row and row[0])


def lock_language(connection: Connection, lang: str) -> LanguageRow:
    """Return the language's row, locked against other writers until the transaction ends."""
    row = connection.execute(_LOCKED, (lang,), binary=True).fetchone()
    assert row is not None  # `create_tables` made it
    embedder, engine, last, passages, tokens, moments = row
    return LanguageRow(embedder, engine, last, passages, tokens, unpack_stats(moments))


def remove(connection: Connection, lang: str, ids: Sequence[str], before: LanguageRow) -> tuple[LanguageRow, int]:
    """Delete documents; return the language's row without them, and the number of passages deleted."""
    gone = connection.execute(_REMOVED, {"lang": lang, "ids": list(ids)}).fetchall()
    connection.execute("DELETE FROM mlrag.document WHERE lang = %s AND id = ANY(%s)", (lang, list(ids)))
    if not gone or before.stats is None:
        return before, 0
    stats = before.stats.plus(
        CosineStats.from_vectors(np.stack([r[0].to_numpy() for r in gone]).astype(np.float16)), -1
    )
    tokens = before.tokens - sum(r[1] for r in gone)
    return replace(before, passages=before.passages - len(gone), tokens=tokens, stats=stats), len(gone)


def add(connection: Connection, lang: str, documents: Sequence[PackedDocument], before: LanguageRow) -> LanguageRow:
    """Insert documents that are not stored; return the language's row with them."""
    with connection.cursor() as cursor:
        cursor.executemany(_DOCUMENT, [_document(lang, d) for d in documents])
    packed = [p for d in documents for p in d.passages]
    if not packed:
        return before
    counted = [postings(p.passage.indexed_text) for p in packed]
    rows = range(before.last + 1, before.last + 1 + len(packed))
    vectors: Halves = np.stack([np.frombuffer(p.vector, "<f2") for p in packed]).astype(np.float16)
    with connection.cursor() as cursor, cursor.copy(_PASSAGES) as copy:
        copy.set_types(_TYPES)
        for row, item, vector, (_, length) in zip(rows, packed, vectors, counted, strict=True):
            p, spans = item.passage, [s for s, _ in item.sentences]
            starts, ends = [s.start for s in spans], [s.end for s in spans]
            columns = lang, row, p.id, p.doc_id, p.start, p.end, p.text, HalfVector(vector), length
            copy.write_row((*columns, starts, ends, [v for _, v in item.sentences]))
    stats = CosineStats.from_vectors(vectors)
    number, tokens = before.passages + len(packed), before.tokens + sum(length for _, length in counted)
    _insert_postings(connection, lang, rows, counted, max(tokens, 1) / number)
    return replace(
        before,
        last=rows[-1],
        passages=number,
        tokens=tokens,
        stats=before.stats.plus(stats) if before.stats else stats,
    )


def _insert_postings(
    connection: Connection, lang: str, rows: range, counted: Sequence[tuple[Counter[str], int]], average: float
) -> None:
    """Insert the postings. Tokens hold letters, marks and digits: there is nothing to escape."""
    lines = [
        f"{b.token}\t{len(b.packed)}\t{b.bound}\t{average}\t{{{','.join(map(str, b.packed))}}}\n"
        for b in blocks(rows, counted, average)
    ]
    with connection.cursor() as cursor, cursor.copy(SQL(_POSTINGS).format(table(lang))) as copy:
        for start in range(0, len(lines), _LINES):
            copy.write("".join(lines[start : start + _LINES]))


def write_language(connection: Connection, lang: str, before: LanguageRow, changed: int) -> None:
    """Write the language's row with the next commit number; `changed` passages came or went."""
    new = {"embedder": before.embedder, "engine": before.engine, "last": before.last, "passages": before.passages}
    new |= {"tokens": before.tokens, "moments": before.stats and pack_stats(before.stats), "lang": lang}
    new |= {"changed": changed}
    connection.execute(_CLOSED, new)
    connection.execute(_CHANGED, (changed, lang))
    connection.execute(_FORGOTTEN, (lang, CHANGED_PART, before.passages))


def _document(lang: str, d: PackedDocument) -> tuple[str, ...]:
    return lang, d.document.id, d.document.title, d.document.text, d.document.source, d.hash, d.meta


def pack_stats(stats: CosineStats) -> bytes:
    return bytes(np.concatenate([[stats.count], stats.total, stats.square.ravel()]).astype("<f8").tobytes())


def unpack_stats(blob: bytes | None) -> CosineStats | None:
    """Read 1 + dim + dim² numbers; None where there are none."""
    if not blob:
        return None
    numbers = np.frombuffer(blob, "<f8")
    dim = round((len(numbers) - 0.75) ** 0.5 - 0.5)
    return CosineStats(int(numbers[0]), numbers[1 : dim + 1], numbers[dim + 1 :].reshape(dim, dim))
