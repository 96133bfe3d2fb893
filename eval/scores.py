"""From examples and predictions to the figures of one language and variant, each with n and an interval.

docs/measurement.md says in plain words what every name below means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.citing import citation_coverage, citation_precision, cited_passages
from eval.examples import Example
from eval.layers import names_absent, numbers_absent, unsupported_share, words_unverified
from eval.metrics import char3_recall, chrf, containment, exact_match, token_f1
from eval.outcome import Outcome, outcome
from eval.ranking import ndcg, reciprocal_rank
from eval.reply_language import Reply, reply_language
from eval.runs import Prediction
from eval.selective import Point, Row, area, area_interval, harmonic, joined_interval, risk_coverage
from eval.statistics import Interval, cluster_bootstrap, clustered_rate
from eval.summary import summary, summary_parts
from mlrag.languages import Language

RATES = (
    "recall@5",
    "contains",
    "exact",
    "hallucination:near_miss",
    "hallucination:article_removed",
    "hallucination:numbers",
    "hallucination:names",
    "names_unverified",
    "error",
    "invalid",
    "abstention_precision",
    "abstention_recall",
    "reply_language",
    "english_leak",
    "reply_unknown",
    "reply_skipped",
)
MEANS = (
    "f1",
    "chrf",
    "char3_recall",
    "hallucination:sentences",
    "citation_precision",
    "citation_coverage",
    "mrr@10",
    "ndcg@10",
)
SURE, SURE_WRONG = "risk:confidence", "risk:wrong"  # aligned row by row


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over n rows with its 95 % interval; None where nothing could be scored."""

    value: float | None
    n: int
    interval: Interval | None


NO_FIGURE = Figure(None, 0, None)


@dataclass(frozen=True, slots=True)
class Cost:
    """Mean tokens a question over the n rows that count them; seconds and tokens a second over the same rows.

    Output tokens include those of thinking, which no backend counts apart.
    """

    n: int
    prompt_tokens: float | None
    output_tokens: float | None
    seconds: float | None
    output_per_second: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of a language or a tier. `failed` rows are in no figure."""

    figures: dict[str, Figure]
    n: int
    failed: int
    reason: str
    p50: float
    p95: float
    cost: Cost
    risk_coverage: tuple[Point, ...]


def row_values(example: Example, prediction: Prediction, lang: Language) -> dict[str, float]:
    """Every figure this row counts for.

    Accuracy of an abstention on an answerable question is 0, as is a wrong answer's; the error column tells them
    apart. In the layers of hallucination an abstention has no value at all.
    """
    result = outcome(prediction, lang)
    values = {"invalid": float(result is Outcome.INVALID)} | summary_parts(example, prediction, lang)
    values |= _answerable(example, prediction, lang, result) if example.answerable else {}
    if not example.answerable:
        values[f"hallucination:{example.gap}"] = float(result is Outcome.ANSWERED)
        values["abstention_recall"] = float(result is Outcome.ABSTAINED)
    if result is Outcome.ABSTAINED:
        values["abstention_precision"] = float(not example.answerable)
    if result is Outcome.ANSWERED:
        values |= _spoken(prediction, lang) | _grounding(example, prediction, lang)
        values |= _sureness(example, prediction, values)
    return values


def _answerable(example: Example, prediction: Prediction, lang: Language, result: Outcome) -> dict[str, float]:
    values = {"error": float(result is Outcome.ABSTAINED)}
    if example.gold_docs and example.only is None:
        values["recall@5"] = float(bool(set(example.gold_docs) & set(prediction.hit_docs)))
        values["mrr@10"] = reciprocal_rank(prediction.hit_docs, example.gold_docs)
        values["ndcg@10"] = ndcg(prediction.hit_docs, example.gold_docs)
    text = prediction.text if result is Outcome.ANSWERED else ""
    scored = {
        "contains": containment(text, example.answers, lang),
        "exact": exact_match(text, example.answers, lang),
        "f1": token_f1(text, example.answers, lang),
        "char3_recall": char3_recall(text, example.answers, lang),
    }
    similar = chrf(text, example.answers, lang)
    scored["chrf"] = None if similar is None else similar / 100
    return values | {name: value for name, value in scored.items() if value is not None}


def _spoken(prediction: Prediction, lang: Language) -> dict[str, float]:
    """Rates over answers long enough to tell; an unreadable one counts as not in the language asked for."""
    spoken = reply_language(prediction.text, lang)
    if spoken is Reply.SKIPPED:
        return {"reply_skipped": 1.0}
    values = {
        "reply_skipped": 0.0,
        "reply_language": float(spoken is Reply.ASKED),
        "reply_unknown": float(spoken is Reply.UNKNOWN),
    }
    return values if lang.code == "en" else values | {"english_leak": float(spoken is Reply.ENGLISH)}


def _grounding(example: Example, prediction: Prediction, lang: Language) -> dict[str, float]:
    """Layers (b) and (c), and the citations; nothing for rows of before citations were kept."""
    if prediction.citations is None:
        return {}
    text, sources = prediction.text, cited_passages(prediction)
    unverified = words_unverified(text, sources, lang)
    found = {
        "hallucination:numbers": numbers_absent(text, sources).any_absent,
        "hallucination:names": names_absent(text, sources, lang).any_absent,
        "names_unverified": unverified.any_absent if unverified else None,
        "hallucination:sentences": unsupported_share(text, prediction.passages, lang),
        "citation_coverage": citation_coverage(text, prediction.citations),
        "citation_precision": citation_precision(prediction.citations, example.gold_docs),
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _sureness(example: Example, prediction: Prediction, values: dict[str, float]) -> dict[str, float]:
    """Confidence and wrongness of an answer; none where the generator has no confidence or no answer is known."""
    if prediction.confidence is None or (example.answerable and "contains" not in values):
        return {}
    wrong = 1 - values["contains"] if example.answerable else 1.0
    return {SURE: prediction.confidence, SURE_WRONG: wrong}


def collect(examples: Sequence[Example], predictions: Sequence[Prediction], lang: Language) -> dict[str, list[Row]]:
    """Rows by figure; failed predictions are left out."""
    rows: dict[str, list[Row]] = {name: [] for name in (*RATES, *MEANS)}
    for example, prediction in zip(examples, predictions, strict=True):
        if prediction.error:
            continue
        for name, value in row_values(example, prediction, lang).items():
            rows.setdefault(name, []).append((example.cluster or example.id, value))
    return rows


def figure(name: str, rows: Sequence[Row]) -> Figure:
    if not rows:
        return NO_FIGURE
    clusters, values = [r[0] for r in rows], [r[1] for r in rows]
    interval = (
        clustered_rate([v > 0.5 for v in values], clusters) if name in RATES else cluster_bootstrap(values, clusters)
    )
    return Figure(float(np.mean(values)), len(rows), interval)


def summarise(rows: dict[str, list[Row]], predictions: Sequence[Prediction]) -> Report:
    """Pool rows of one or several languages. In a tier the clusters are items, shared by its languages."""
    seconds = [p.seconds for p in predictions if not p.error] or [float("nan")]
    errors = [p.error for p in predictions if p.error]
    total = summary(rows)
    figures = {name: figure(name, rows.get(name, [])) for name in (*RATES, *MEANS)}
    figures["summary"] = Figure(*total) if total else NO_FIGURE
    figures["abstention_f1"] = _abstention_f1(rows)
    figures["aurc"] = _aurc(rows)
    return Report(
        figures=figures,
        n=len(predictions),
        failed=len(errors),
        reason=errors[0] if errors else "" if predictions else "there was nothing to ask",
        p50=float(np.quantile(seconds, 0.5)),
        p95=float(np.quantile(seconds, 0.95)),
        cost=cost(predictions),
        risk_coverage=tuple(risk_coverage(*_values(rows, SURE, SURE_WRONG))),
    )


def _values(rows: dict[str, list[Row]], *names: str) -> list[list[float]]:
    return [[value for _, value in rows.get(name, [])] for name in names]


def _abstention_f1(rows: dict[str, list[Row]]) -> Figure:
    """Harmonic mean of precision and recall (abstaining is the positive); 0 for one that never abstains."""
    parts = {name: rows.get(name, []) for name in ("abstention_precision", "abstention_recall")}
    precision, recall = (np.array([np.mean(v)]) if v else None for v in _values(rows, *parts))
    if recall is None:
        return NO_FIGURE
    if precision is None:
        return Figure(0.0, len(parts["abstention_recall"]), clustered_rate(*_split(parts["abstention_recall"])))
    interval = joined_interval(parts, lambda means: harmonic(*means.values()))
    return Figure(float(harmonic(precision, recall)[0]), len(parts["abstention_recall"]), interval)


def _split(rows: Sequence[Row]) -> tuple[list[bool], list[str]]:
    return [value > 0.5 for _, value in rows], [cluster for cluster, _ in rows]


def _aurc(rows: dict[str, list[Row]]) -> Figure:
    sure, wrong = rows.get(SURE, []), rows.get(SURE_WRONG, [])
    if not sure:
        return NO_FIGURE
    return Figure(area(*_values(rows, SURE, SURE_WRONG)), len(sure), area_interval(sure, wrong))


def cost(predictions: Sequence[Prediction]) -> Cost:
    counted = [p for p in predictions if not p.error and p.output_tokens is not None]
    if not counted:
        return Cost(0, None, None, None, None)
    out, seconds = sum(p.output_tokens or 0 for p in counted), sum(p.seconds for p in counted)
    return Cost(
        len(counted),
        float(np.mean([p.prompt_tokens or 0 for p in counted])),
        out / len(counted),
        seconds / len(counted),
        out / seconds if seconds else None,
    )
