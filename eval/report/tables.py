"""The figures as text: which columns, in which table."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from eval.metrics.bleu import Bleu
from eval.results.jsonable import by_name
from eval.results.scores import Cost, Figure

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
SHORT = {
    "summary": "sum-\nmary",
    "recall@5": "recall\n@5",
    "contains": "accu-\nracy",
    "hallucination:near_miss": "hall.\nnear\nmiss",
    "hallucination:article_removed": "hall.\ngone\narticle",
    "error": "error\nrate",
    "reply_language": "reply\nlang.",
}


def cell(figure: Figure | None) -> str:
    """A figure as percent with its interval and n: "81.5 [70.2, 89.1] n=54"."""
    if figure is None or figure.value is None:
        return "–"
    if figure.interval is None:
        return f"{100 * figure.value:.1f} n={figure.n}"
    return f"{100 * figure.value:.1f} [{100 * figure.interval.low:.1f}, {100 * figure.interval.high:.1f}] n={figure.n}"


def detail_rows(result: dict[str, Any]) -> list[list[str]]:
    """The same rows with the other figures, then tokens and BLEU; those that did not run are left out."""
    rows = []
    for variant, found in result["variants"].items():
        for group in ("tiers", "languages"):
            for name, report in found[group].items():
                if report.failed < report.n:
                    cells = [cell(report.figures.get(key)) for key, _ in DETAILS]
                    rows.append([variant, name, *cells, *costs(report.cost), _bleu(found["bleu"].get(name))])
    return rows


def costs(cost: Cost) -> list[str]:
    """Tokens in, tokens out, tokens a second."""
    values = (cost.prompt_tokens, cost.output_tokens, cost.output_per_second)
    return ["–" if v is None else f"{v:.1f} n={cost.n}" for v in values]


def _bleu(found: Bleu | None) -> str:
    return f"{found.score:.1f} n={found.n}" if found else "–"


def _short(figure: Figure) -> str:
    """The same on three narrow lines, for a terminal."""
    if figure.value is None or figure.interval is None:
        return "–"
    return f"{100 * figure.value:.1f}\n{100 * figure.interval.low:.0f}–{100 * figure.interval.high:.0f}\nn={figure.n}"


def show(result: dict[str, Any], console: Console) -> None:
    """Print the few figures that a terminal has room for."""
    table = Table(
        title=f"Tier table · {result['signature']['data']}",
        caption="percent, 95 % interval, n; every other figure is in the report",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for title in ("variant", "group", *SHORT.values(), "s p50\np95"):
        table.add_column(title, overflow="fold")
    for variant, found in result["variants"].items():
        for group in ("tiers", "languages"):
            for name, report in found[group].items():
                start = (by_name(variant), name)
                if report.p50 is None or report.p95 is None:
                    table.add_row(*start, f"did not run: {report.reason}", *[""] * len(SHORT))
                else:
                    cells = (_short(report.figures[key]) for key in SHORT)
                    table.add_row(*start, *cells, f"{report.p50:.3f}\n{report.p95:.3f}")
            table.add_section()
    console.print(table)
