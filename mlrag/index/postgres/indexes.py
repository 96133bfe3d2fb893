"""The indexes of all languages on one PostgreSQL server, and the index of one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from psycopg.errors import UndefinedTable
from psycopg.sql import SQL, Composed, Identifier, Literal

from mlrag.errors import EmbedderMismatchError, MissingIndexError, StorageError
from mlrag.index.cosine_stats import CosineSpread, CosineStats
from mlrag.index.index_cache import IndexCache
from mlrag.index.postgres.postings_table import merge
from mlrag.index.postgres.schema import PER_LANGUAGE
from mlrag.index.postgres.search import hit, idf, ranker_statement, sentences, statement, values
from mlrag.index.postgres.server import WAIT, Connection, Server
from mlrag.index.postgres.store import PostgresStore
from mlrag.index.postgres.writing import unpack_stats
from mlrag.index.protocol import Ranker, SearchQuery, SearchResult
from mlrag.types import Vectors

HNSW_FROM = 20_000  # passages of a language: fewer are scanned, which is exact, as in the folder
_BRIEF = 1.0  # seconds that a question waits for what it could do without
_log = logging.getLogger(__name__)
_LINKS, _WIDTH = 16, 64  # HNSW's m and ef_construction
_STATE = "SELECT commit, passages FROM mlrag.language WHERE lang = %s"
_KEPT = """
INSERT INTO mlrag.off_topic (lang, key, level) SELECT lang, %(key)s, %(level)s::real[] FROM mlrag.language
WHERE lang = %(lang)s AND commit = %(commit)s
ON CONFLICT (lang) DO UPDATE SET key = excluded.key, level = excluded.level, changed = 0
"""
_EMPTIED = """
UPDATE mlrag.language SET commit = commit + 1, stamp = gen_random_uuid(), embedder = '', engine = '', passages = 0,
    tokens = 0, loose = 0, moments = NULL
"""
_COUNTED = """
SELECT greatest(reltuples, 0) FROM pg_class WHERE relname = %s AND relnamespace = 'mlrag'::regnamespace
"""
_SIZE = "SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0) FROM unnest(%s::text[]) AS name"


@dataclass(frozen=True, slots=True)
class PostgresIndexState:
    commit: int
    live: int


class PostgresIndex:
    """One language. `hnsw_from`: passages from which its vectors get an HNSW index."""

    def __init__(self, server: Server, lang: str, hnsw_from: int = HNSW_FROM) -> None:
        self.lang = lang
        self.store = PostgresStore(server, lang)
        self.rebuilt_because = ""
        self._server = server
        self._hnsw_from = hnsw_from
        self._embedder = ""
        self._spread: tuple[str, CosineSpread] | None = None  # by the stamp of a commit

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """Do nothing: each search is one statement, and so of one commit."""
        yield

    def search(self, query: SearchQuery) -> SearchResult:
        """Raises EmbedderMismatchError where another embedder indexed everything anew meanwhile."""
        rows = self._rows(statement(query, self.lang), query)
        if not rows or not rows[0][3]:
            return SearchResult(rows[0][0] if rows else 0, 0, (), (), 0.0, 0.0, {})
        commit, stamp, embedder, live, known = rows[0][:5]
        self._embedder = self._embedder or embedder
        if embedder != self._embedder:
            raise EmbedderMismatchError(self.lang, embedder, self._embedder)
        ranked = [row for row in rows if row[5] is not None]
        hits = tuple(hit(row, self.lang) for row in ranked)
        detail = tuple(sentences(row) for row in ranked[: query.detailed])
        mean, std = self._measure_spread(stamp, query)
        return SearchResult(commit, live, hits, detail, mean, std, idf(query.question, known, live))

    def _measure_spread(self, stamp: str, query: SearchQuery) -> tuple[float, float]:
        """Return mean and std of the query's cosines; the statistics are fetched once after a change."""
        if self._spread is None or self._spread[0] != stamp:
            select = "SELECT stamp, moments FROM mlrag.language WHERE lang = %s"
            row = self._server.read(lambda c: c.execute(select, (self.lang,), binary=True).fetchone())
            dim = len(query.vector)
            stats = unpack_stats(row[1]) if row else None
            nothing = CosineStats(0, np.zeros(dim), np.zeros((dim, dim)))
            self._spread = (row[0] if row else stamp), CosineSpread(stats or nothing)
        return self._spread[1].compute(query.vector)

    def rank(self, query: SearchQuery, ranker: Ranker) -> list[str]:
        if ranker == "hybrid":
            return [h.passage.id for h in self.search(query).hits]
        return [row[0] for row in self._rows(ranker_statement(query, ranker, self.lang), query)]

    def _rows(self, select: Composed, query: SearchQuery) -> list[tuple[Any, ...]]:
        def work(connection: Connection) -> list[tuple[Any, ...]]:
            try:
                return connection.execute(select, values(query, self.lang)).fetchall()
            except UndefinedTable:  # nothing was ever stored in this language
                return []

        return self._server.read(work)

    def refresh(self) -> PostgresIndexState:
        row = self._server.read(lambda connection: connection.execute(_STATE, (self.lang,)).fetchone())
        return PostgresIndexState(*row) if row else PostgresIndexState(0, 0)

    def optimize(self) -> PostgresIndexState:
        """Merge postings where enough has changed, and make the HNSW index once there are enough passages; writers wait
        meanwhile, readers do not. Where tables have grown much, let the planner count their rows."""
        state = self.refresh()
        self._server.write(lambda connection: merge(connection, self.lang))
        if state.live:  # first, since making an index counts the rows too, and nothing else
            self._server.tend(lambda connection: self._vacuum(connection, state.live))
        if state.live >= self._hnsw_from:
            self._server.write(self._make_hnsw)
        return state

    def _vacuum(self, connection: Connection, live: int) -> None:
        tables = [Identifier("mlrag", f"{table}_{self.lang}") for table in PER_LANGUAGE]
        row = connection.execute(_COUNTED, (f"passage_{self.lang}",)).fetchone()
        if row is not None and live > 2 * row[0]:
            connection.execute("SET synchronous_commit = local")  # no standby is waited for
            try:
                connection.execute(SQL("VACUUM (ANALYZE) {}, {}, mlrag.document").format(*tables))
            finally:
                connection.execute("RESET synchronous_commit")

    def _make_hnsw(self, connection: Connection) -> None:
        name, table = f"passage_{self.lang}_hnsw", f"passage_{self.lang}"
        if connection.execute("SELECT to_regclass(format('mlrag.%%I', %s::text))", (name,)).fetchone() != (None,):
            return
        dims = connection.execute(SQL("SELECT vector_dims(vector) FROM {} LIMIT 1").format(Identifier("mlrag", table)))
        row = dims.fetchone()
        create = SQL(
            "CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw ((vector::halfvec({})) halfvec_ip_ops) "
            "WITH (m = {}, ef_construction = {})"
        )
        numbers = Literal(row[0] if row else 1), Literal(_LINKS), Literal(_WIDTH)
        connection.execute(create.format(Identifier(name), Identifier("mlrag", table), *numbers))

    def load_baseline(self, key: str) -> Vectors | None:
        query = "SELECT level FROM mlrag.off_topic WHERE lang = %s AND key = %s"
        row = self._server.read(lambda connection: connection.execute(query, (self.lang, key)).fetchone())
        return np.array(row[0], np.float32) if row else None

    def save_baseline(self, key: str, values: Vectors, commit: int) -> None:
        """Save a baseline; while no primary answers it is not saved, and the next process measures it again."""
        kept = {"lang": self.lang, "key": key, "level": values.tolist(), "commit": commit}
        try:
            self._server.write(lambda connection: connection.execute(_KEPT, kept), _BRIEF)
        except StorageError as error:
            _log.warning("the off-topic baseline is not saved: %s", error.message)

    def size(self) -> int:
        """Return the bytes of its partitions with their indexes."""
        names = [f'mlrag."{table}_{self.lang}"' for table in PER_LANGUAGE]
        row = self._server.read(lambda connection: connection.execute(_SIZE, (names,)).fetchone())
        return int(row[0]) if row else 0


class PostgresIndexes:
    """Raises StorageError where no host answers; `url` is what libpq takes, several hosts with commas. `wait`: see
    `Server`."""

    def __init__(self, url: str, hnsw_from: int = HNSW_FROM, wait: float = WAIT) -> None:
        self._server = Server(url, wait)
        self._hnsw_from = hnsw_from
        self._cache = IndexCache[PostgresIndex]()

    @property
    def hosts(self) -> tuple[str, ...]:
        return self._server.hosts

    def close(self) -> None:
        self._server.close()

    def languages(self) -> list[str]:
        query = "SELECT lang FROM mlrag.language WHERE embedder <> '' ORDER BY lang"
        return self._server.read(lambda connection: [r[0] for r in connection.execute(query)])

    def holds(self, lang: str) -> bool:
        query = "SELECT 1 FROM mlrag.language WHERE lang = %s AND embedder <> ''"
        return self._server.read(lambda connection: connection.execute(query, (lang,)).fetchone() is not None)

    def stamps(self) -> object:
        """Return a value that differs after every change of any document, in one round trip."""
        query = "SELECT lang, stamp FROM mlrag.language ORDER BY lang"
        return self._server.read(lambda connection: [(r[0], str(r[1])) for r in connection.execute(query)])

    def store(self, lang: str) -> PostgresStore:
        return PostgresStore(self._server, lang)

    def index(self, lang: str) -> PostgresIndex:
        return self._cache.get(lang, self._open)

    def _open(self, lang: str) -> PostgresIndex:
        if not self.holds(lang):
            raise MissingIndexError(lang)
        return PostgresIndex(self._server, lang, self._hnsw_from)

    def clear(self) -> None:
        def work(connection: Connection) -> None:
            for (lang,) in connection.execute("SELECT lang FROM mlrag.language").fetchall():
                for table in PER_LANGUAGE:
                    connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier("mlrag", f"{table}_{lang}")))
            connection.execute("DELETE FROM mlrag.gone")
            connection.execute("DELETE FROM mlrag.off_topic")
            connection.execute("DELETE FROM mlrag.document")
            connection.execute(_EMPTIED)

        self._server.write(work)
        self._cache.clear()
