"""Rate limits that all replicas count together, in PostgreSQL."""

from __future__ import annotations

import logging

from limits import RateLimitItem

from mlrag.errors import StorageError
from mlrag.state.postgres import Dispensable
from mlrag.state.rate_limit import InProcessRateLimiter

# A row holds the last `amount` moments, the oldest first, by the server's clock. Hits that lie ahead of it were made
# before the clock was put back: they are dropped, as if it were another row.
_HIT = """
INSERT INTO mlrag.rate AS r (what, who, hits) VALUES (%(what)s, %(who)s, ARRAY[clock_timestamp()])
ON CONFLICT (what, who) DO UPDATE SET hits = CASE
    WHEN r.hits[cardinality(r.hits)] > clock_timestamp() + interval '1 second' THEN ARRAY[clock_timestamp()]
    WHEN cardinality(r.hits) < %(amount)s THEN r.hits || clock_timestamp()
    ELSE r.hits[2:] || clock_timestamp() END
WHERE cardinality(r.hits) < %(amount)s OR r.hits[1] <= clock_timestamp() - %(seconds)s * interval '1 second'
    OR r.hits[cardinality(r.hits)] > clock_timestamp() + interval '1 second'
"""
_OPENS = """
SELECT extract(epoch FROM hits[1] - clock_timestamp())::float8 + %(seconds)s FROM mlrag.rate
WHERE what = %(what)s AND who = %(who)s AND cardinality(hits) >= %(amount)s
"""
_log = logging.getLogger(__name__)


class PostgresRateLimiter:
    """One statement per hit, so that no two replicas count the same slot.

    `of`: what is limited; each has counts of its own.

    While the server cannot be reached, each replica counts by itself: a limit holds back excess, it keeps nobody out,
    so that refusing everyone would do what the limit is there to prevent. N replicas then let through N times the rate.
    """

    waits = True

    def __init__(self, server: Dispensable, of: str) -> None:
        self._server = server
        self._of = of
        self._own = InProcessRateLimiter()

    def hit(self, rate: RateLimitItem, who: str) -> bool:
        given = self._parameters(rate, who)
        try:
            return self._server.do(lambda connection: connection.execute(_HIT, given).rowcount == 1)
        except StorageError as error:
            _log.warning("this process counts requests by itself: %s", error.message)
            return self._own.hit(rate, who)

    def opens_in(self, rate: RateLimitItem, who: str) -> float:
        given = self._parameters(rate, who)
        try:
            row = self._server.do(lambda connection: connection.execute(_OPENS, given).fetchone())
        except StorageError:
            return self._own.opens_in(rate, who)
        return max(0.0, row[0]) if row else 0.0

    def _parameters(self, rate: RateLimitItem, who: str) -> dict[str, object]:
        return {"what": f"{self._of} {rate}", "who": who, "amount": rate.amount, "seconds": rate.get_expiry()}
