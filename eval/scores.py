"""From examples and predictions to the figures of one language and variant, each with n and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.examples import ARTICLE_REMOVED, NEAR_MISS, Example
from eval.metrics import chrf, containment, exact_match, token_f1
from eval.reply_language import in_asked_language
from eval.runs import Prediction
from eval.statistics import Interval, cluster_bootstrap, clustered_rate
from mlrag.languages import Language

RATES = (
    "recall@5",
    "contains",
    "exact",
    "hallucination:near_miss",
    "hallucination:article_removed",
    "error",
    "reply_language",
)
MEANS = ("f1", "chrf")


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over n rows with its 95 % interval; None where nothing could be scored."""

    value: float | None
    n: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of a language or a tier. `failed` rows are in no figure."""

    figures: dict[str, Figure]
    n: int
    failed: int
    reason: str
    p50: float
    p95: float


Row = tuple[str, float]  # cluster, value


def row_values(example: Example, prediction: Prediction, lang: Language) -> dict[str, float]:
    """Every figure this row counts for. Hallucination: answered though the passages hold no answer.

    Error: abstained though they do. Accuracy of an abstention on an answerable question is 0, as is a wrong
    answer's; the error column tells them apart.
    """
    answered = not prediction.abstained
    values: dict[str, float] = {}
    if example.answerable:
        values["error"] = float(not answered)
        if example.gold_docs and example.only is None:
            values["recall@5"] = float(bool(set(example.gold_docs) & set(prediction.hit_docs)))
        if example.answers:
            text = prediction.text if answered else ""
            values["contains"] = containment(text, example.answers, lang)
            values["exact"] = exact_match(text, example.answers, lang)
            values["f1"] = token_f1(text, example.answers, lang)
            values["chrf"] = chrf(text, example.answers, lang) / 100
    else:
        kind = ARTICLE_REMOVED if example.kind == ARTICLE_REMOVED else NEAR_MISS
        values[f"hallucination:{kind}"] = float(answered)
    if answered:
        spoken = in_asked_language(prediction.text, lang)
        if spoken is not None:
            values["reply_language"] = float(spoken)
    return values


def collect(examples: Sequence[Example], predictions: Sequence[Prediction], lang: Language) -> dict[str, list[Row]]:
    """Rows by figure; failed predictions are left out."""
    rows: dict[str, list[Row]] = {name: [] for name in (*RATES, *MEANS)}
    for example, prediction in zip(examples, predictions, strict=True):
        if prediction.error:
            continue
        for name, value in row_values(example, prediction, lang).items():
            rows[name].append((example.cluster or example.id, value))
    return rows


def figure(name: str, rows: Sequence[Row]) -> Figure:
    if not rows:
        return Figure(None, 0, None)
    clusters, values = [r[0] for r in rows], [r[1] for r in rows]
    interval = (
        clustered_rate([v > 0.5 for v in values], clusters) if name in RATES else cluster_bootstrap(values, clusters)
    )
    return Figure(float(np.mean(values)), len(rows), interval)


def summarise(rows: dict[str, list[Row]], predictions: Sequence[Prediction]) -> Report:
    """Pool rows of one or several languages. In a tier the clusters are items, shared by its languages."""
    seconds = [p.seconds for p in predictions if not p.error] or [float("nan")]
    errors = [p.error for p in predictions if p.error]
    return Report(
        figures={name: figure(name, found) for name, found in rows.items()},
        n=len(predictions),
        failed=len(errors),
        reason=errors[0] if errors else "",
        p50=float(np.quantile(seconds, 0.5)),
        p95=float(np.quantile(seconds, 0.95)),
    )
