"""Results of other suites as more columns of the tier table, each with the run that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from eval.probes.history import HEADLINES, Headline, Stored, take
from eval.results.groups import by_tier
from eval.results.run_report import ExtraCell, ExtraColumn, RunReport, VariantReport


def make_columns(report: RunReport, suites: Sequence[str], stored: Sequence[Stored]) -> list[ExtraColumn]:
    """Return a column for each headline of these suites, from the latest of the results `stored`."""
    return [_column(report, headline, stored) for headline in HEADLINES if headline.suite in suites]


def _column(report: RunReport, headline: Headline, stored: Sequence[Stored]) -> ExtraColumn:
    cells = {}
    for name, variant in report.variants.items():
        groups = _languages_of_groups(variant)
        cells[name] = {group: _cell(stored, headline, name, langs) for group, langs in groups.items()}
    return ExtraColumn(f"{headline.suite}: {headline.title}", cells)


def _languages_of_groups(variant: VariantReport) -> dict[str, list[str]]:
    """Tiers, then languages, as the table has them."""
    tiers = by_tier(variant.languages)
    return {tier: tiers.get(tier, []) for tier in variant.tiers} | {lang: [lang] for lang in variant.languages}


def _cell(stored: Sequence[Stored], headline: Headline, variant: str, langs: Sequence[str]) -> ExtraCell:
    """The value over exactly these languages and its run, or the command that would make one."""
    taken = take(stored, headline, lambda name, _: name == variant, langs)
    if taken is None:
        return ExtraCell(f"no result: python -m eval.{headline.suite} --variants {variant}", None)
    value = {
        "figure": asdict(taken.figure),
        "run": taken.stored.run,
        "models": taken.stored.models,
        "column": taken.column,
    }
    return ExtraCell(f"{taken.said} ({taken.source})", value)


def column_rows(columns: Sequence[ExtraColumn]) -> list[list[str]]:
    """Return the columns alone, for a terminal: groups that any of them has a value for, else one with the reasons."""
    if not columns:
        return []
    rows = []
    for variant, by_group in columns[0].cells.items():
        filled = [group for group in by_group if any(c.cells[variant][group].value for c in columns)]
        for group in filled or list(by_group)[:1]:
            rows.append([variant, group, *(c.cells[variant][group].text for c in columns)])
    return rows
