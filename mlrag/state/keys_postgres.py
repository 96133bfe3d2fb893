"""API keys on a server."""

from __future__ import annotations

import time

from mlrag.index.postgres.server import Server
from mlrag.state.keys import Key

_FRESH = 1.0  # seconds after which a replica reads the keys anew: so long a revoked one may be good
_READ = "SELECT name, id, salt, hash, scope, languages, created FROM mlrag.api_key ORDER BY created, name"
_ADD = "INSERT INTO mlrag.api_key (name, id, salt, hash, scope, languages, created) VALUES (%s, %s, %s, %s, %s, %s, %s)"


class PostgresKeys:
    """While no host answers, no key is good: nobody could say that it was not revoked, and there is nothing to read."""

    waits = True

    def __init__(self, server: Server) -> None:
        self._server = server

    def version(self) -> object:
        return int(time.monotonic() / _FRESH)

    def read(self) -> list[Key]:
        rows = self._server.read(lambda connection: connection.execute(_READ).fetchall())
        return [
            Key(name, id_, salt, hash_, scope, tuple(langs), made)
            for name, id_, salt, hash_, scope, langs, made in rows
        ]

    def add(self, key: Key) -> bool:
        row = key.name, key.id, key.salt, key.hash, key.scope, list(key.languages), key.created
        query = _ADD + " ON CONFLICT (name) DO NOTHING"
        return self._server.write(lambda connection: connection.execute(query, row).rowcount == 1)

    def revoke(self, name: str) -> bool:
        query = "DELETE FROM mlrag.api_key WHERE name = %s"
        return self._server.write(lambda connection: connection.execute(query, (name,)).rowcount == 1)
