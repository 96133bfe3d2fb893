"""Kept answers that all replicas find."""

from __future__ import annotations

from mlrag.index.postgres.server import Connection
from mlrag.state.answers import CacheKey, Kept
from mlrag.state.postgres import Dispensable

# What is found often is touched once a minute: a look-up shall not cost a write.
_FIND = """
WITH touched AS (UPDATE mlrag.answer SET used = clock_timestamp()
    WHERE key = %(key)s AND used < clock_timestamp() - interval '1 minute')
SELECT body, greatest(0, extract(epoch FROM clock_timestamp() - made))::float8 FROM mlrag.answer WHERE key = %(key)s
"""
_OTHERS = "DELETE FROM mlrag.answer WHERE state <> %s"
_KEEP = """
INSERT INTO mlrag.answer VALUES (%s, %s, clock_timestamp(), clock_timestamp(), %s)
ON CONFLICT (key) DO UPDATE SET state = excluded.state, made = excluded.made, used = excluded.used, body = excluded.body
"""
_OVER = """
DELETE FROM mlrag.answer WHERE key IN (
    SELECT key FROM mlrag.answer ORDER BY used DESC, key OFFSET %s FOR UPDATE SKIP LOCKED)
"""


class PostgresAnswers:
    """Each statement stands by itself: replicas that keep at once never wait for each other's locks in turn."""

    def __init__(self, server: Dispensable) -> None:
        self._server = server

    def find(self, key: str) -> Kept | None:
        row = self._server.do(lambda connection: connection.execute(_FIND, {"key": key}).fetchone())
        return Kept(bytes(row[0]), row[1]) if row else None

    def keep(self, key: CacheKey, body: bytes, size: int) -> None:
        def work(connection: Connection) -> None:
            connection.execute(_OTHERS, (key.state,))
            connection.execute(_KEEP, (key.key, key.state, body))
            connection.execute(_OVER, (size,))

        self._server.do(work)

    def close(self) -> None:
        """Do nothing: the connection is shared."""
