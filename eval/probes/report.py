"""The report of a probe as tables of metrics: the one shape that is printed, written as JSON and shown as a page."""

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
    """A mean that is not a proportion, such as seconds, over n rows with its 95 % interval; None if not measured."""

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
        return [[format_cell(c) for c in row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The result of one run of a probe.

    Args:
        probe: The name of its command.
        run: The name of the run that the rows are from.
        title, about: Heading of the page, and what the probe measures.
        models: Who answered, as each calls itself.
    """

    probe: str
    run: str
    title: str
    about: str
    models: tuple[str, ...]
    sections: tuple[Section, ...]
    signature: Mapping[str, Any]

    @property
    def stand_in(self) -> bool:
        """True if a script answered anywhere; its metrics say nothing of any model."""
        return any(STAND_IN in model for model in self.models)


def format_cell(value: Cell) -> str:
    """Format a cell: "81.5 [70.2, 89.1] n=54"; an amount of one row without an interval; "–" if not known."""
    if isinstance(value, str):
        return value
    if isinstance(value, MetricValue):
        return format_metric(value)
    if value.value is None:
        return "–"
    low, high = (value.interval.low, value.interval.high) if value.interval else (math.nan, math.nan)
    spread = f" [{low:.{value.digits}f}, {high:.{value.digits}f}]" if math.isfinite(high - low) else ""
    return f"{value.value:.{value.digits}f}{spread} n={value.n}"


def report_json(report: ProbeReport) -> dict[str, Any]:
    """Return tables as lists of rows by title; a metric is {"value", "n", "low", "high"}, null where not known."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for s in report.sections:
        sections[s.title] = [dict(zip(s.head, map(_cell_json, row), strict=True)) for row in s.rows]
    return {
        "run": report.run,
        "models": list(report.models),
        "signature": to_jsonable(report.signature),
        "sections": to_jsonable(sections),
    }


def _cell_json(value: Cell) -> Any:
    if isinstance(value, str):
        return value
    low, high = (value.interval.low, value.interval.high) if value.interval else (None, None)
    return {"value": value.value, "n": value.n, "low": low, "high": high}
