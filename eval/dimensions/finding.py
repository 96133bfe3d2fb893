"""What a suite found, as tables of figures: the one shape that is printed, written as JSON and shown as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.tables import cell
from eval.scores import Figure
from eval.table import plain

Cell = Figure | str


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
    """One run of a suite. `suite` is its command's name, `run` that of its rows, `about` what it measures."""

    suite: str
    run: str
    title: str
    about: str
    sections: tuple[Section, ...]
    signature: Mapping[str, Any]

    @property
    def stand_in(self) -> bool:
        """Did a stand-in answer anywhere? Its figures say nothing of any model."""
        return any("stand-in" in text for s in self.sections for row in s.lines() for text in row)


def shown(value: Cell) -> str:
    return value if isinstance(value, str) else cell(value)


def as_json(finding: Finding) -> dict[str, Any]:
    """Tables as lists of rows by title; a figure is {"value", "n", "low", "high"}, null where it is not known."""
    sections = {s.title: [dict(zip(s.head, map(_value, row), strict=True)) for row in s.rows] for s in finding.sections}
    return {"run": finding.run, "signature": plain(finding.signature), "sections": plain(sections)}


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
