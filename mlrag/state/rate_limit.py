"""Rate limits: a protocol, and the limiter inside this process. `rate_limit_postgres` is the shared one."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import MovingWindowRateLimiter

_JUMP = 1.0  # seconds that the clock may be put right by without a word


class RateLimiter(Protocol):
    """A moving window over what each `who` did. `waits`: a call may wait on another machine, and an event loop may
    not."""

    waits: bool

    def hit(self, rate: RateLimitItem, who: str) -> bool:
        """Count one; False where the rate is used up."""

    def opens_in(self, rate: RateLimitItem, who: str) -> float:
        """Seconds until the next one may come."""


class InProcessRateLimiter:
    """In this process. `limits` counts by the clock of the wall: where that is put back, hits would lie in the future
    and bar the way until it has caught up, so a jump empties the window."""

    waits = False

    def __init__(self) -> None:
        self._drift = _drift()

    @cached_property
    def _window(self) -> MovingWindowRateLimiter:
        """Made when something is counted: most services and calls have no rate."""
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        return MovingWindowRateLimiter(MemoryStorage())

    def hit(self, rate: RateLimitItem, who: str) -> bool:
        drift = _drift()
        if abs(drift - self._drift) > _JUMP:
            self.__dict__.pop("_window", None)
        self._drift = drift
        return self._window.hit(rate, who)

    def opens_in(self, rate: RateLimitItem, who: str) -> float:
        return float(self._window.get_window_stats(rate, who).reset_time - time.time())


def _drift() -> float:
    return time.time() - time.monotonic()
