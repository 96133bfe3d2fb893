"""Metrics as text: how one value is written, and which metrics stand in which table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from eval.metrics.bleu import Bleu
from eval.results.jsonable import shorten_variant
from eval.results.metric_value import MetricValue
from eval.results.run_report import ClaimsReport, GroupReport, RunReport, TokenCost
from eval.statistics import Interval

COLUMNS = (
    ("summary", "summary"),
    ("recall@5", "recall@5"),
    ("cross:recall@5", "en→L recall@5"),
    ("contains", "accuracy (contains)"),
    ("exact", "exact"),
    ("f1", "token F1"),
    ("chrf", "chrF2/100"),
    ("hallucination:near_miss", "halluc. near miss"),
    ("hallucination:article_removed", "halluc. article removed"),
    ("error", "error rate"),
    ("reply_language", "reply language"),
)
DETAILS = (  # in the report's pages and in tiers.json; what each means: docs/measurement.md
    ("char3_recall", "char-3-gram recall"),
    ("mrr@10", "MRR@10"),
    ("ndcg@10", "nDCG@10"),
    ("cross:mrr@10", "en→L MRR@10"),
    ("cross:ndcg@10", "en→L nDCG@10"),
    ("hallucination:numbers", "halluc. numbers"),
    ("hallucination:names", "halluc. names"),
    ("names_unverified", "names unverified"),
    ("hallucination:sentences", "halluc. sentences"),
    ("invalid", "invalid"),
    ("abstention_precision", "abstention precision"),
    ("abstention_recall", "abstention recall"),
    ("abstention_f1", "abstention F1"),
    ("aurc", "risk-coverage area"),
    ("english_leak", "English leak"),
    ("reply_unknown", "reply unreadable"),
    ("reply_skipped", "reply too short to tell"),
    ("citation_precision", "citation precision"),
    ("citation_coverage", "citation coverage"),
    ("claims:faithfulness", "claim faithfulness"),
    ("claims:hallucination", "claim hallucination"),
    ("claims:noise_relevant", "noise from relevant"),
    ("claims:noise_irrelevant", "noise from irrelevant"),
    ("claims:context_utilization", "context utilization"),
    ("claims:self_knowledge", "self-knowledge"),
)
DETAIL_TITLES = (*(title for _, title in DETAILS), "tokens in", "tokens out", "tokens out / s", "BLEU")
CLAIM_METRICS = "Claim faithfulness and hallucination, noise, context utilization and self-knowledge"
SHORT = {
    "summary": "sum-\nmary",
    "recall@5": "recall\n@5",
    "contains": "accu-\nracy",
    "hallucination:near_miss": "hall.\nnear\nmiss",
    "hallucination:article_removed": "hall.\ngone\narticle",
    "error": "error\nrate",
    "reply_language": "reply\nlang.",
}


def format_estimate(
    value: float | None,
    interval: Interval | None,
    n: int | None = None,
    *,
    scale: float = 100,
    digits: int = 1,
    signed: bool = False,
) -> str:
    """Write a value with its 95 % interval and n: "81.5 [70.2, 89.1] n=54"; "–" where there is no value.

    `scale`: 100 writes proportions in percent, 1 plain amounts. An interval that is unknown or unbounded is left out.
    """
    if value is None or math.isnan(value):
        return "–"
    sign = "+" if signed else ""
    text = f"{scale * value:{sign}.{digits}f}"
    if interval is not None and math.isfinite(interval.low) and math.isfinite(interval.high):
        text += f" [{scale * interval.low:{sign}.{digits}f}, {scale * interval.high:{sign}.{digits}f}]"
    return text if n is None else f"{text} n={n}"


def format_metric(metric: MetricValue | None) -> str:
    """Write a metric in percent with its interval and n."""
    return format_estimate(metric.value, metric.interval, metric.n) if metric else "–"


def format_costs(cost: TokenCost) -> list[str]:
    """Write tokens in, tokens out and tokens a second."""
    values = (cost.prompt_tokens, cost.output_tokens, cost.output_per_second)
    return [format_estimate(value, None, cost.n, scale=1) for value in values]


def format_bleu(bleu: Bleu | None) -> str:
    return format_estimate(bleu.score, None, bleu.n, scale=1) if bleu else "–"


def detail_rows(report: RunReport) -> list[list[str]]:
    """Return the rows of the second table: the other metrics, then tokens and BLEU; what did not run is left out."""
    rows = []
    for name, variant in report.variants.items():
        for group, metrics in variant.groups.items():
            if metrics.ran:
                cells = [format_metric(metrics.metrics.get(key)) for key, _ in DETAILS]
                rows.append([name, group, *cells, *format_costs(metrics.cost), format_bleu(variant.bleu.get(group))])
    return rows


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; "|" in a cell is escaped, runs of white space become one blank."""
    body = ["| " + " | ".join(escape_cell(cell) for cell in row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]


def escape_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def markdown_page(
    title: str, note: str, head: Sequence[str], rows: Sequence[Sequence[str]], signature: Mapping[str, Any]
) -> str:
    """Return a small report as Markdown: one table, and the run's signature as JSON."""
    lines = [f"# {title}", "", note, "", *markdown_table(head, rows)]
    return "\n".join([*lines, "", "```json", json.dumps(signature, ensure_ascii=False, indent=1), "```", ""])


def rich_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table for the terminal; the first column is the variant."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(shorten_variant(row[0]), *row[1:])
    return table


def claim_lines(claims: ClaimsReport, lang: str = "") -> list[str]:
    """Say who judged claims, and where nobody did and why: of one language, or of all without `lang`."""
    if not claims.judge:
        return [f"{CLAIM_METRICS}: blank, because no judge was asked (--judge VARIANT)."]
    judged_by = f"as {claims.judge} ({claims.model}) judges claims, not corrected for its mistakes"
    lines = [f"{CLAIM_METRICS}: {judged_by}."]
    for column in claims.columns:
        if lang in ("", column.lang) and (column.why or column.unscored):
            unscored = f"{column.unscored} of {column.unscored + column.n} answers unscored"
            status = f"blank: {column.why}" if column.why else unscored
            detail = f": {column.unread}" if column.unread else ""
            lines.append(f"{column.variant}, {column.lang}: {status}{detail}.")
    return lines


def _format_short(metric: MetricValue) -> str:
    """Write the value, its interval and n on three narrow lines, for a terminal."""
    if metric.value is None or metric.interval is None:
        return "–"
    low, high = 100 * metric.interval.low, 100 * metric.interval.high
    return f"{100 * metric.value:.1f}\n{low:.0f}–{high:.0f}\nn={metric.n}"


def _terminal_cells(report: GroupReport) -> list[str]:
    if report.p50 is None or report.p95 is None:
        return [f"did not run: {report.reason}", *[""] * len(SHORT)]
    return [*(_format_short(report.metrics[key]) for key in SHORT), f"{report.p50:.3f}\n{report.p95:.3f}"]


def show(report: RunReport, console: Console) -> None:
    """Print the few metrics that a terminal has room for."""
    table = Table(
        title=f"Tier table · {report.signature['data']}",
        caption="percent, 95 % interval, n; every other metric is in the report",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for title in ("variant", "group", *SHORT.values(), "s p50\np95"):
        table.add_column(title, overflow="fold")
    for name, variant in report.variants.items():
        for groups in (variant.tiers, variant.languages):
            for group, metrics in groups.items():
                table.add_row(shorten_variant(name), group, *_terminal_cells(metrics))
            table.add_section()
    console.print(table)
