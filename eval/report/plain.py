"""A small report: one table, as Markdown and for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from eval.results.jsonable import by_name
from eval.statistics import Interval


def percent(value: float | None, interval: Interval | None, n: int) -> str:
    """ "81.5 [70.2, 89.1] n=54"; "–" where there is no figure."""
    if value is None or interval is None:
        return "–"
    return f"{100 * value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}] n={n}"


def markdown_page(
    title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[str]], signature: Mapping[str, Any]
) -> str:
    lines = [f"# {title}", "", note, "", *markdown_table(head, rows)]
    return "\n".join([*lines, "", "```json", json.dumps(signature, ensure_ascii=False, indent=1), "```", ""])


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body]


def as_rich(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(by_name(row[0]), *row[1:])
    return table
