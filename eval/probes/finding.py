"""What a suite found, as tables of figures: the one shape that is printed, written as JSON and shown as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.tables import format_metric
from eval.report.view import STAND_IN
from eval.results.jsonable import to_jsonable
from eval.results.metric_value import MetricValue
from eval.statistics import Interval


@dataclass(frozen=True, slots=True)
class Amount:
    """A mean that is no share, such as seconds, over n rows with its 95 % interval; None where nobody measured it."""

    value: float | None
    n: int
    interval: Interval | None
    digits: int = 1


Cell = MetricValue | Amount | str


@dataclass(frozen=True, slots=True)
class Section:
    """One table. `note` says how to read it; every row has a cell for each title of `head`."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def lines(self) -> list[list[str]]:
        return [[shown(c) for c in row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Finding:
    """One run of a suite. `suite` is its command's name, `run` that of its rows, `about` what it measures.

    `models`: who answered, as each calls itself.
    """

    suite: str
    run: str
    title: str
    about: str
    models: tuple[str, ...]
    sections: tuple[Section, ...]
    signature: Mapping[str, Any]

    @property
    def stand_in(self) -> bool:
        """Did a stand-in answer anywhere? Its figures say nothing of any model."""
        return any(STAND_IN in model for model in self.models)


def shown(value: Cell) -> str:
    if isinstance(value, Amount):
        return _amount(value)
    return value if isinstance(value, str) else format_metric(value)


def _amount(found: Amount) -> str:
    """ "12.3 [10.1, 14.5] n=3"; without an interval where one row says nothing of its spread."""
    if found.value is None:
        return "–"
    low, high = (found.interval.low, found.interval.high) if found.interval else (math.nan, math.nan)
    spread = f" [{low:.{found.digits}f}, {high:.{found.digits}f}]" if math.isfinite(high - low) else ""
    return f"{found.value:.{found.digits}f}{spread} n={found.n}"


def as_json(finding: Finding) -> dict[str, Any]:
    """Tables as lists of rows by title; a figure or amount is {"value", "n", "low", "high"}, null where not known."""
    sections = {s.title: [dict(zip(s.head, map(_value, row), strict=True)) for row in s.rows] for s in finding.sections}
    return {
        "run": finding.run,
        "models": list(finding.models),
        "signature": to_jsonable(finding.signature),
        "sections": to_jsonable(sections),
    }


def _value(found: Cell) -> Any:
    if isinstance(found, str):
        return found
    interval = found.interval
    return {
        "value": found.value,
        "n": found.n,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }
