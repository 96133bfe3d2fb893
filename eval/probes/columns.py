"""Figures of other suites as more columns of the tier table, each with the run that it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eval.probes.history import HEADLINES, Headline, Stored, Taken, take
from mlrag.languages import language


@dataclass(frozen=True, slots=True)
class Beside:
    """One column. `cells`: by variant, then tier or language; None where no result is of the same languages."""

    headline: Headline
    cells: Mapping[str, Mapping[str, Taken | None]]

    @property
    def title(self) -> str:
        return f"{self.headline.suite}: {self.headline.title}"

    def cell(self, variant: str, group: str) -> str:
        """The figure and its run, or the command that would make one."""
        found = self.cells[variant][group]
        if found:
            return f"{found.said} ({found.source})"
        return f"no result: python -m eval.{self.headline.suite} --variants {variant}"


def beside(result: Mapping[str, Any], suites: Sequence[str], stored: Sequence[Stored]) -> list[Beside]:
    """A column for each headline of these suites, from the latest of the results `stored`."""
    return [Beside(h, _cells(result, h, stored)) for h in HEADLINES if h.suite in suites]


def _cells(
    result: Mapping[str, Any], headline: Headline, stored: Sequence[Stored]
) -> dict[str, dict[str, Taken | None]]:
    return {
        variant: {group: _take(stored, headline, variant, langs) for group, langs in _members(found).items()}
        for variant, found in result["variants"].items()
    }


def _take(stored: Sequence[Stored], headline: Headline, variant: str, langs: Sequence[str]) -> Taken | None:
    return take(stored, headline, lambda name, _one: name == variant, langs)


def _members(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Tiers, then languages, as the table has them."""
    codes = list(found["languages"])
    tiers = {t: [x for x in codes if f"T{language(x).tier}" == t] for t in found["tiers"]}
    return tiers | {x: [x] for x in codes}


def beside_rows(columns: Sequence[Beside]) -> list[list[str]]:
    """The columns alone, for a terminal: what any of them has a figure for, else the variant with the reasons."""
    if not columns:
        return []
    rows = []
    for variant, by_group in columns[0].cells.items():
        there = [g for g in by_group if any(c.cells[variant][g] for c in columns)] or list(by_group)[:1]
        rows += [[variant, group, *(c.cell(variant, group) for c in columns)] for group in there]
    return rows


def beside_json(columns: Sequence[Beside]) -> dict[str, Any]:
    """By title, variant and group: the figure with its run, null where there is none."""
    return {c.title: {v: {g: _plain(found) for g, found in by.items()} for v, by in c.cells.items()} for c in columns}


def _plain(found: Taken | None) -> dict[str, Any] | None:
    if found is None:
        return None
    one = found.stored
    return {"figure": asdict(found.figure), "run": one.run, "models": one.models, "column": found.column}
