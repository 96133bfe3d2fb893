"""How well questions in one language find documents in another: one row a question, and the metrics of such rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.metrics.ranking import ndcg, reciprocal_rank
from eval.metrics.selective import ClusteredValue
from eval.results.metric_value import MetricValue, macro_metric

CROSS_METRICS = ("cross:recall@5", "cross:mrr@10", "cross:ndcg@10")


@dataclass(frozen=True, slots=True)
class CrossLingualRow:
    """One English question to the documents in `lang`: its gold documents there, and the retrieved ones, best first."""

    lang: str
    cluster: str
    gold: tuple[str, ...]
    docs: tuple[str, ...]


def score_cross_lingual(rows: Sequence[CrossLingualRow], langs: Sequence[str]) -> Mapping[str, MetricValue]:
    """Return `CROSS_METRICS` over some languages, each with equal weight; {} without a row in them."""
    by_metric: dict[str, dict[str, list[ClusteredValue]]] = {name: {} for name in CROSS_METRICS}
    for row in rows:
        if row.lang not in langs:
            continue
        recall = float(bool(set(row.gold) & set(row.docs)))
        values = recall, reciprocal_rank(row.docs, row.gold), ndcg(row.docs, row.gold)
        for name, value in zip(CROSS_METRICS, values, strict=True):
            by_metric[name].setdefault(row.lang, []).append((row.cluster, value))
    return {name: macro_metric(by_language) for name, by_language in by_metric.items() if by_language}
