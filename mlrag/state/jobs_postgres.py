"""A board that all replicas read."""

from __future__ import annotations

from collections.abc import Collection

from mlrag.index.postgres.server import Connection, Server
from mlrag.state.jobs import Notice

BEAT = 10.0  # seconds between two signs of life
_POST = """
INSERT INTO mlrag.notice VALUES (%s, %s, %s, now())
ON CONFLICT (name) DO UPDATE SET body = excluded.body, finished = excluded.finished, heard = excluded.heard
"""
_OLD = "DELETE FROM mlrag.notice WHERE heard < now() - interval '1 day'"
_FIND = """
SELECT body, finished, NOT finished AND heard < now() - %s * interval '1 second' FROM mlrag.notice WHERE name = %s
"""
_BEAT = "UPDATE mlrag.notice SET heard = now() WHERE name = ANY(%s)"


class SharedBoard:
    """A notice is kept for a day. One that is not finished and got no `beat` for `silence` seconds is silent."""

    waits = True

    def __init__(self, server: Server, silence: float = 6 * BEAT) -> None:
        self._server = server
        self._silence = silence

    def post(self, name: str, body: str, finished: bool) -> None:
        def work(connection: Connection) -> None:
            connection.execute(_POST, (name, body, finished))
            connection.execute(_OLD)

        self._server.write(work)

    def find(self, name: str) -> Notice | None:
        """From the primary: a standby may not have it yet."""
        given = self._silence, name
        row = self._server.write(lambda connection: connection.execute(_FIND, given).fetchone())
        return Notice(*row) if row else None

    def beat(self, names: Collection[str]) -> None:
        self._server.write(lambda connection: connection.execute(_BEAT, (list(names),)))
