"""What routed questions have spent in this hour or day: a protocol, one SQLite file that all processes of a data folder
share, and the ledger that enforces a budget. `budget_postgres` is the store on a server.

A call is paid for before it is made, at the most that it can cost, and corrected afterwards. So no limit is exceeded:
not by concurrent questions, not by a call that is cut, not over a restart.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from math import ceil
from pathlib import Path
from typing import Protocol

from mlrag.errors import QuotaError, StorageError
from mlrag.models.routing import Budget
from mlrag.sqlite import open_sqlite

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    window TEXT NOT NULL, variant TEXT NOT NULL, calls INTEGER NOT NULL, tokens INTEGER NOT NULL, seconds REAL NOT NULL,
    dollars REAL NOT NULL, PRIMARY KEY (window, variant));
CREATE TABLE IF NOT EXISTS asked (window TEXT PRIMARY KEY, questions INTEGER NOT NULL);
"""
_FORMAT = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}
_ASK = "INSERT INTO asked VALUES (?, 1) ON CONFLICT DO UPDATE SET questions = questions + 1"
_ADD = (
    "INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, "
    "tokens = tokens + excluded.tokens, seconds = seconds + excluded.seconds, dollars = dollars + excluded.dollars"
)
_LIST = "SELECT variant, calls, tokens, seconds, dollars FROM spent WHERE window = ? ORDER BY variant"
_SUM = (
    "SELECT COALESCE(SUM(calls), 0), COALESCE(SUM(tokens), 0), COALESCE(SUM(seconds), 0), COALESCE(SUM(dollars), 0) "
    "FROM spent WHERE window = ?"
)
_log = logging.getLogger(__name__)
Allows = Callable[["BudgetUsage"], bool]


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
class Reservation:
    """A cost that was paid before its call, and the window it counts in."""

    window: str
    variant: str
    cost: Cost


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """The cost of all variants in one window, and the number of questions in it."""

    cost: Cost
    questions: int


class BudgetStore(Protocol):
    """Stores the costs of a budget. Methods raise StorageError."""

    def count_question(self, window: str) -> None:
        """Count one more question."""

    def pay(self, window: str, variant: str, cost: Cost, allows: Allows | None = None) -> bool:
        """Write a cost down in one transaction, unless `allows` is false for what was spent before it."""

    def total(self, window: str) -> BudgetUsage: ...

    def by_variant(self, window: str) -> dict[str, Cost]: ...

    def close(self) -> None: ...


class SqliteBudget:
    """One SQLite file."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        with self._translate_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_sqlite(path, _SCHEMA, 5, synchronous="NORMAL")

    def count_question(self, window: str) -> None:
        with self._transaction() as c:
            c.execute(_ASK, (window,))

    def pay(self, window: str, variant: str, cost: Cost, allows: Allows | None = None) -> bool:
        with self._transaction() as c:
            if allows and not allows(_total(c, window)):
                return False
            c.execute(_ADD, (window, variant, *astuple(cost)))
        return True

    def total(self, window: str) -> BudgetUsage:
        with self._translate_errors(), self._lock:
            return _total(self._connection, window)

    def by_variant(self, window: str) -> dict[str, Cost]:
        with self._translate_errors(), self._lock:
            return {name: Cost(*values) for name, *values in self._connection.execute(_LIST, (window,))}

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translate_errors(), self._lock, self._connection as c:
            c.execute("BEGIN IMMEDIATE")
            yield c

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"{self._path}: what the route has spent cannot be counted: {error}", "repair it, or mlrag route --off"
            ) from error


def _total(connection: sqlite3.Connection, window: str) -> BudgetUsage:
    row = connection.execute("SELECT questions FROM asked WHERE window = ?", (window,)).fetchone()
    return BudgetUsage(Cost(*connection.execute(_SUM, (window,)).fetchone()), row[0] if row else 0)


class Ledger:
    """Enforces a budget over a store that `make` opens.

    With a limit, raises StorageError where the store cannot be used: a budget that is not counted is none. Without one
    it only reports what was spent, and errors of the store go to the log.
    """

    def __init__(self, make: Callable[[], BudgetStore], budget: Budget, clock: Callable[[], float] = time.time) -> None:
        self._budget = budget
        self._clock = clock
        try:
            self._store = make()
        except StorageError as error:
            self._log_unless_limited(error)
            self._store = SqliteBudget(Path(":memory:"))

    @property
    def window(self) -> str:
        """The current hour or day, UTC."""
        return time.strftime(_FORMAT[self._budget.window], time.gmtime(self._clock()))

    def count_question(self) -> None:
        """Count one more question."""
        try:
            self._store.count_question(self.window)
        except StorageError as error:
            self._log_unless_limited(error)

    def affords(self, cost: Cost) -> bool:
        return not self._budget.limited or self._allows(cost, self._store.total(self.window))

    def reserve(self, variant: str, cost: Cost) -> Reservation:
        """Pay for a call beforehand. Raises QuotaError where the budget does not allow it."""
        window = self.window
        if not self._pay(window, variant, cost, lambda spent: self._allows(cost, spent)):
            raise QuotaError(
                f"the route's budget of this {self._budget.window} does not hold a call of {variant}",
                "wait for the next one, or install the route with a larger --spend",
            )
        return Reservation(window, variant, cost)

    def settle(self, reserved: Reservation, cost: Cost) -> None:
        """Replace a reserved cost by the real one."""
        self._pay(reserved.window, reserved.variant, cost.plus(reserved.cost, -1))

    def spent(self) -> dict[str, Cost]:
        """Return the costs of the current window by variant."""
        return self._store.by_variant(self.window)

    def close(self) -> None:
        self._store.close()

    def _pay(self, window: str, variant: str, cost: Cost, allows: Allows | None = None) -> bool:
        try:
            return self._store.pay(window, variant, cost, allows)
        except StorageError as error:
            self._log_unless_limited(error)
            return True

    def _allows(self, cost: Cost, spent: BudgetUsage) -> bool:
        b, then = self._budget, spent.cost.plus(cost)
        if not b.limited:
            return True
        limits = (b.calls, b.tokens, b.seconds, b.dollars)
        if any(most is not None and value > most for most, value in zip(limits, astuple(then), strict=True)):
            return False
        return b.dollars_per_1000 is None or then.dollars <= b.dollars_per_1000 * ceil(max(1, spent.questions) / 1000)

    def _log_unless_limited(self, error: StorageError) -> None:
        if self._budget.limited:
            raise error
        _log.warning("%s", error)
