"""The budget that all replicas share, in PostgreSQL."""

from __future__ import annotations

from dataclasses import astuple

from mlrag.index.postgres.server import Connection, Server
from mlrag.state.budget import Allows, BudgetUsage, Cost

_ASK = """
INSERT INTO mlrag.asked AS a VALUES (%s, 1) ON CONFLICT (asked_in) DO UPDATE SET questions = a.questions + 1
"""
_ADD = """
INSERT INTO mlrag.spent AS s VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (spent_in, variant) DO UPDATE SET
    calls = s.calls + excluded.calls, tokens = s.tokens + excluded.tokens, seconds = s.seconds + excluded.seconds,
    dollars = s.dollars + excluded.dollars
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('mlrag.spent'))"
_LIST = "SELECT variant, calls, tokens, seconds, dollars FROM mlrag.spent WHERE spent_in = %s ORDER BY variant"
_TOTAL = """
SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(tokens), 0)::bigint, coalesce(sum(seconds), 0),
    coalesce(sum(dollars), 0), (SELECT coalesce(max(questions), 0) FROM mlrag.asked WHERE asked_in = %(window)s)
FROM mlrag.spent WHERE spent_in = %(window)s
"""


class PostgresBudget:
    """Payments are serialized by an advisory lock: a payment takes a millisecond, a model's call seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def count_question(self, window: str) -> None:
        self._server.write(lambda connection: connection.execute(_ASK, (window,)))

    def pay(self, window: str, variant: str, cost: Cost, allows: Allows | None = None) -> bool:
        def work(connection: Connection) -> bool:
            connection.execute(_LOCK)
            if allows and not allows(_total(connection, window)):
                return False
            connection.execute(_ADD, (window, variant, *astuple(cost)))
            return True

        return self._server.write(work)

    def total(self, window: str) -> BudgetUsage:
        return self._server.write(lambda connection: _total(connection, window))

    def by_variant(self, window: str) -> dict[str, Cost]:
        rows = self._server.write(lambda connection: connection.execute(_LIST, (window,)).fetchall())
        return {name: Cost(*values) for name, *values in rows}

    def close(self) -> None:
        """Do nothing: the connection is shared."""


def _total(connection: Connection, window: str) -> BudgetUsage:
    row = connection.execute(_TOTAL, {"window": window}).fetchone()
    assert row is not None
    return BudgetUsage(Cost(*row[:4]), row[4])
