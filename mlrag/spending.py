"""What routed questions have spent in this hour or day, in one SQLite file that all processes of a data folder share.

A call is paid for before it is made, at the most that it can cost, and corrected afterwards. So no limit is passed: not
by questions at once, not by a call that is cut, not over a restart.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from math import ceil
from pathlib import Path

from mlrag.errors import QuotaError, StorageError
from mlrag.routing import Budget

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    window TEXT NOT NULL, variant TEXT NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, seconds REAL NOT NULL,
    dollars REAL NOT NULL, PRIMARY KEY (window, variant));
CREATE TABLE IF NOT EXISTS asked (window TEXT PRIMARY KEY, questions INTEGER NOT NULL);
"""
_FORMAT = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}
_SUMS = "COALESCE(SUM(calls), 0), COALESCE(SUM(tokens), 0), COALESCE(SUM(seconds), 0), COALESCE(SUM(dollars), 0)"


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls, tokens read and written, seconds of models, dollars."""

    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    dollars: float = 0.0

    def plus(self, other: Cost, sign: int = 1) -> Cost:
        return Cost(
            self.calls + sign * other.calls,
            self.tokens + sign * other.tokens,
            self.seconds + sign * other.seconds,
            self.dollars + sign * other.dollars,
        )


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was paid beforehand, in which window."""

    window: str
    variant: str
    cost: Cost


class Ledger:
    """Raises StorageError where the file cannot be used: a budget that nobody counts is none."""

    def __init__(self, path: Path, budget: Budget, clock: Callable[[], float] = time.time) -> None:
        self._budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._path = path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA)

    @property
    def window(self) -> str:
        """The hour or day that it is, UTC."""
        return time.strftime(_FORMAT[self._budget.window], time.gmtime(self._clock()))

    def asked(self) -> None:
        """One more question."""
        with self._writing() as c:
            c.execute(
                "INSERT INTO asked VALUES (?, 1) ON CONFLICT DO UPDATE SET questions = questions + 1", (self.window,)
            )

    def affords(self, cost: Cost) -> bool:
        with self._told(), self._lock:
            return self._allows(self.window, cost)

    def reserve(self, variant: str, cost: Cost) -> Reserved:
        """Pay beforehand. Raises QuotaError where the budget does not hold it."""
        window = self.window
        with self._writing() as c:
            if not self._allows(window, cost):
                raise QuotaError(
                    f"the route's budget of this {self._budget.window} does not hold a call of {variant}",
                    "wait for the next one, or install the route with a larger --spend",
                )
            self._add(c, window, variant, cost)
        return Reserved(window, variant, cost)

    def settle(self, reserved: Reserved, cost: Cost) -> None:
        """What it was in truth."""
        with self._writing() as c:
            self._add(c, reserved.window, reserved.variant, cost.plus(reserved.cost, -1))

    def spent(self) -> dict[str, Cost]:
        """By variant, in this window."""
        with self._told(), self._lock:
            rows = self._connection.execute(
                "SELECT variant, calls, tokens, seconds, dollars FROM spent WHERE window = ? ORDER BY variant",
                (self.window,),
            )
            return {name: Cost(*values) for name, *values in rows}

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _allows(self, window: str, cost: Cost) -> bool:
        spent = Cost(*self._connection.execute(f"SELECT {_SUMS} FROM spent WHERE window = ?", (window,)).fetchone())
        b, then = self._budget, spent.plus(cost)
        limits = (b.calls, b.tokens, b.seconds, b.dollars)
        if any(most is not None and value > most for most, value in zip(limits, astuple(then), strict=True)):
            return False
        if b.dollars_per_1000 is None:
            return True
        row = self._connection.execute("SELECT questions FROM asked WHERE window = ?", (window,)).fetchone()
        return then.dollars <= b.dollars_per_1000 * ceil(max(1, row[0] if row else 0) / 1000)

    @staticmethod
    def _add(c: sqlite3.Connection, window: str, variant: str, cost: Cost) -> None:
        c.execute(
            "INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, "
            "tokens = tokens + excluded.tokens, seconds = seconds + excluded.seconds, "
            "dollars = dollars + excluded.dollars",
            (window, variant, *astuple(cost)),
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._told(), self._lock, self._connection as c:
            c.execute("BEGIN IMMEDIATE")
            yield c

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{self._path}: what the route has spent cannot be counted: {error}",
                "repair it, or mlrag route --off",
            ) from error
