"""A run's report as a tier table: rows of text, Markdown, and plain values for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eval.report.comparison_tables import GAPS, comparison_lines, gain_lines
from eval.report.tables import (
    COLUMNS,
    DETAIL_TITLES,
    claim_lines,
    detail_rows,
    escape_cell,
    format_metric,
    markdown_table,
)
from eval.results.compare import Comparison
from eval.results.comparisons import MetricComparison, rows_needed
from eval.results.jsonable import to_jsonable
from eval.results.run_report import ExtraColumn, GroupReport, RunReport, VariantReport

INTRO = (
    "Percent [95 % interval] n. A tier is the mean of its languages. Summary: harmonic mean of what replies to "
    "answerable questions are worth and of abstaining where it is due. Hallucination: answered though no passage holds "
    "the answer. Error: abstained though one does. Intervals: Wilson's on the effective sample size, shared items "
    "kept together; of the summary, F1 and area a cluster bootstrap."
)


def table_rows(report: RunReport) -> list[list[str]]:
    """Return one row a variant and tier, then a variant and language; one that did not run says why."""
    rows = []
    for name, variant in report.variants.items():
        label = f"{name} ({', '.join(variant.models) or 'did not run'})"
        for group, metrics in variant.groups.items():
            more = [column.cells[name][group].text for column in report.columns]
            rows.append([label, group, str(metrics.n), *_cells(metrics, more)])
    return rows


def titles(report: RunReport) -> list[str]:
    """Return the titles of the columns between the number of rows and the seconds."""
    return [*(title for _, title in COLUMNS), *(column.title for column in report.columns)]


def _cells(group: GroupReport, more: Sequence[str]) -> list[str]:
    if group.p50 is None or group.p95 is None:
        return [f"did not run: {group.reason}", *[""] * (len(COLUMNS) - 1), *more, ""]
    cells = [format_metric(group.metrics.get(key)) for key, _ in COLUMNS]
    failed = f" ({group.failed} failed: {group.reason})" if group.failed else ""
    return [*cells, *more, f"{group.p50:.3f} / {group.p95:.3f}{failed}"]


def markdown(report: RunReport) -> str:
    """Return tiers.md."""
    head = ["variant (model)", "tier or language", "rows", *titles(report), "s p50 / p95"]
    lines = ["# Tier table", "", INTRO, "", *markdown_table(head, table_rows(report)), ""]
    names = {name: name for name in report.variants}
    lines += gain_lines(report.comparisons, names, report.signature["own_variants"])
    lines += comparison_lines(report.comparisons)
    lines += ["## More metrics", "", "What each means: docs/measurement.md.", ""]
    lines += [*markdown_table(["variant", "tier or language", *DETAIL_TITLES], detail_rows(report)), ""]
    lines += [f"{escape_cell(line)}\n" for line in claim_lines(report.claims)]
    lines += ["```json", json.dumps(report.signature, ensure_ascii=False, indent=1), "```", ""]
    return "\n".join(lines)


def as_json(report: RunReport) -> Any:
    """Return tiers.json: null stands for what is not known, NaN and infinity never occur."""
    claims = {"judge": report.claims.judge, "model": report.claims.model, "columns": report.claims.details}
    whole: dict[str, Any] = {"run": report.run, "signature": report.signature, "claims": claims}
    if report.columns:
        whole["columns"] = {column.title: _column_json(column) for column in report.columns}
    whole["variants"] = {name: _variant_json(variant) for name, variant in report.variants.items()}
    whole["comparisons"] = comparisons_json(report.comparisons)
    return to_jsonable(whole)


def _variant_json(variant: VariantReport) -> dict[str, Any]:
    return {
        "models": variant.models,
        "thinking": variant.thinking,
        "tiers": {name: asdict(group) for name, group in variant.tiers.items()},
        "languages": {name: asdict(group) for name, group in variant.languages.items()},
        "bleu": {name: asdict(bleu) for name, bleu in variant.bleu.items() if bleu},
    }


def _column_json(column: ExtraColumn) -> Mapping[str, Any]:
    return {name: {group: cell.value for group, cell in cells.items()} for name, cells in column.cells.items()}


def comparisons_json(compared: Sequence[MetricComparison]) -> Any:
    """Return by metric: every comparison, with the n needed for gaps of 0.05 and 0.1, and the ranks."""
    return {
        metric.metric: {"comparisons": [_comparison_json(c) for c in metric.comparisons], "ranks": metric.ranks}
        for metric in compared
    }


def _comparison_json(comparison: Comparison) -> Any:
    sizes = {str(gap): rows_needed(comparison, gap) for gap in GAPS}
    return to_jsonable(asdict(comparison) | {"needed": sizes})
