"""Status of background jobs in PostgreSQL, where all replicas read it."""

from __future__ import annotations

from collections.abc import Collection

from mlrag.index.postgres.server import Connection, Server
from mlrag.state.jobs import JobStatus

HEARTBEAT = 10.0  # seconds between two heartbeats
_POST = """
INSERT INTO mlrag.notice VALUES (%s, %s, %s, now())
ON CONFLICT (name) DO UPDATE SET body = excluded.body, finished = excluded.finished, heard = excluded.heard
"""
_OLD = "DELETE FROM mlrag.notice WHERE heard < now() - interval '1 day'"
_FIND = """
SELECT body, finished, NOT finished AND heard < now() - %s * interval '1 second' FROM mlrag.notice WHERE name = %s
"""
_REFRESH = "UPDATE mlrag.notice SET heard = now() WHERE name = ANY(%s)"


class PostgresJobStatus:
    """Each status is kept for a day. An unfinished one without a heartbeat for `stale_after` seconds is stale."""

    waits = True

    def __init__(self, server: Server, stale_after: float = 6 * HEARTBEAT) -> None:
        self._server = server
        self._stale_after = stale_after

    def put(self, name: str, body: str, finished: bool) -> None:
        def work(connection: Connection) -> None:
            connection.execute(_POST, (name, body, finished))
            connection.execute(_OLD)

        self._server.write(work)

    def find(self, name: str) -> JobStatus | None:
        """Read from the primary: a standby may not have it yet."""
        parameters = self._stale_after, name
        row = self._server.write(lambda connection: connection.execute(_FIND, parameters).fetchone())
        return JobStatus(*row) if row else None

    def send_heartbeat(self, names: Collection[str]) -> None:
        self._server.write(lambda connection: connection.execute(_REFRESH, (list(names),)))
