"""Results of probes as more columns of the tier table, each with the run that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from eval.probes.history import HEADLINES, Headline, StoredReport, find_metric
from eval.results.groups import by_tier
from eval.results.run_report import ExtraCell, ExtraColumn, RunReport, VariantReport


def make_columns(report: RunReport, probes: Sequence[str], reports: Sequence[StoredReport]) -> list[ExtraColumn]:
    """Return a column for each headline of these probes, from the latest of the results `reports`."""
    return [_column(report, headline, reports) for headline in HEADLINES if headline.probe in probes]


def _column(report: RunReport, headline: Headline, reports: Sequence[StoredReport]) -> ExtraColumn:
    cells = {}
    for name, variant in report.variants.items():
        groups = _languages_of_groups(variant)
        cells[name] = {group: _cell(reports, headline, name, langs) for group, langs in groups.items()}
    return ExtraColumn(f"{headline.probe}: {headline.title}", cells)


def _languages_of_groups(variant: VariantReport) -> dict[str, list[str]]:
    """Tiers, then languages, as the table has them."""
    tiers = by_tier(variant.languages)
    return {tier: tiers.get(tier, []) for tier in variant.tiers} | {lang: [lang] for lang in variant.languages}


def _cell(reports: Sequence[StoredReport], headline: Headline, variant: str, langs: Sequence[str]) -> ExtraCell:
    """The value over exactly these languages and its run, or the command that would make one."""
    metric = find_metric(reports, headline, lambda name, _: name == variant, langs)
    if metric is None:
        return ExtraCell(f"no result: python -m eval.{headline.probe} --variants {variant}", None)
    value = {
        "figure": asdict(metric.figure),
        "run": metric.report.run,
        "models": metric.report.models,
        "column": metric.column,
    }
    return ExtraCell(f"{metric.text} ({metric.source})", value)


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
