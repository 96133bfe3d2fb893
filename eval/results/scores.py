"""From examples and predictions to the metrics of one language and variant, each with n and an interval.

docs/measurement.md says in plain words what every name below means.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from eval.metrics.answers import char3_recall, chrf, containment, exact_match, token_f1
from eval.metrics.citations import citation_coverage, citation_precision, cited_passages
from eval.metrics.grounding import names_absent, numbers_absent, unsupported_proportion, words_unverified
from eval.metrics.outcome import Outcome, outcome
from eval.metrics.ranking import ndcg, reciprocal_rank
from eval.metrics.reply_language import ReplyLanguage, reply_language
from eval.metrics.selective import (
    ClusteredValue,
    Floats,
    area,
    harmonic,
    joint_interval,
    macro_area_interval,
    risk_coverage,
)
from eval.metrics.summary import macro_summary, summary_parts
from eval.results.metric_value import NO_VALUE, MetricValue, macro_metric
from eval.results.run_report import GroupReport, RowValues, TokenCost
from eval.statistics import Interval
from eval.types import Example, Prediction
from mlrag.languages import Language

METRICS = (  # of values in [0, 1], row by row
    "recall@5",
    "contains",
    "exact",
    "f1",
    "chrf",
    "char3_recall",
    "hallucination:near_miss",
    "hallucination:article_removed",
    "hallucination:numbers",
    "hallucination:names",
    "hallucination:sentences",
    "names_unverified",
    "error",
    "invalid",
    "abstention_precision",
    "abstention_recall",
    "reply_language",
    "english_leak",
    "reply_unknown",
    "reply_skipped",
    "citation_precision",
    "citation_coverage",
    "mrr@10",
    "ndcg@10",
)
SURE, SURE_WRONG = "risk:confidence", "risk:wrong"  # aligned row by row
Rows = dict[str, list[ClusteredValue]]


def row_values(example: Example, prediction: Prediction, lang: Language) -> dict[str, float]:
    """Return every metric this row counts for, by name.

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


def outcome_of(values: Mapping[str, float]) -> Outcome:
    """What the reply of a scored row amounts to, as its values tell."""
    if values["invalid"]:
        return Outcome.INVALID
    abstained = values["error"] if "error" in values else values["abstention_recall"]
    return Outcome.ABSTAINED if abstained else Outcome.ANSWERED


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
    if spoken is ReplyLanguage.SKIPPED:
        return {"reply_skipped": 1.0}
    values = {
        "reply_skipped": 0.0,
        "reply_language": float(spoken is ReplyLanguage.ASKED),
        "reply_unknown": float(spoken is ReplyLanguage.UNKNOWN),
    }
    return values if lang.code == "en" else values | {"english_leak": float(spoken is ReplyLanguage.ENGLISH)}


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
        "hallucination:sentences": unsupported_proportion(text, prediction.passages, lang),
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


def score_rows(
    examples: Sequence[Example], predictions: Sequence[Prediction], lang: Language
) -> list[dict[str, float] | None]:
    """Return each row's values by metric; None for a failed one."""
    pairs = zip(examples, predictions, strict=True)
    return [None if p.error else row_values(e, p, lang) for e, p in pairs]


def group_by_metric(examples: Sequence[Example], values: RowValues) -> Rows:
    """Return the rows of each metric, with their clusters."""
    rows: Rows = {}
    for example, found in zip(examples, values, strict=True):
        for name, value in (found or {}).items():
            rows.setdefault(name, []).append((example.cluster or example.id, value))
    return rows


def collect(examples: Sequence[Example], predictions: Sequence[Prediction], lang: Language) -> Rows:
    """Score predictions and group the rows by metric; failed predictions are left out."""
    return group_by_metric(examples, score_rows(examples, predictions, lang))


def summarise(rows: Rows, predictions: Sequence[Prediction]) -> GroupReport:
    """Return the metrics of one language."""
    return summarise_tier({"": rows}, predictions)


def summarise_tier(by_language: Mapping[str, Rows], predictions: Sequence[Prediction]) -> GroupReport:
    """Return the macro means over languages, each with its own interval; an item that languages share is one cluster.

    A language in which a metric has no rows is not in that metric.
    """
    seconds = [p.seconds for p in predictions if not p.error]
    errors = [p.error for p in predictions if p.error]
    metrics = {name: _macro(by_language, name) for name in METRICS}
    metrics["summary"] = _metric_value(macro_summary(by_language))
    metrics["abstention_f1"] = _abstention_f1(by_language)
    metrics["aurc"] = _aurc(by_language)
    reason = errors[0] if errors else "" if predictions else "there was nothing to ask"
    return GroupReport(
        metrics=metrics,
        n=len(predictions),
        failed=len(errors),
        reason=reason,
        p50=float(np.quantile(seconds, 0.5)) if seconds else None,
        p95=float(np.quantile(seconds, 0.95)) if seconds else None,
        cost=count_tokens(predictions),
        risk_coverage=tuple(risk_coverage(_pool(by_language, SURE), _pool(by_language, SURE_WRONG))),
    )


def _pool(by_language: Mapping[str, Rows], name: str) -> list[float]:
    return [value for rows in by_language.values() for _, value in rows.get(name, [])]


def _macro(by_language: Mapping[str, Rows], name: str) -> MetricValue:
    return macro_metric({lang: rows.get(name, []) for lang, rows in by_language.items()})


def _metric_value(estimate: tuple[float, int, Interval] | None) -> MetricValue:
    """An interval that could not be computed (nan) becomes None."""
    if estimate is None:
        return NO_VALUE
    value, n, interval = estimate
    return MetricValue(value, n, None if math.isnan(interval.low) else interval)


def _abstention_f1(by_language: Mapping[str, Rows]) -> MetricValue:
    """Harmonic mean of precision and recall (abstaining is the positive); 0 for one that never abstains."""
    scored = {lang: rows for lang, rows in by_language.items() if rows.get("abstention_recall")}
    parts: dict[Hashable, list[ClusteredValue]] = {
        (lang, name): rows[name]
        for lang, rows in scored.items()
        for name in ("abstention_precision", "abstention_recall")
        if rows.get(name)
    }
    if not scored:
        return NO_VALUE
    if len(parts) == len(scored):  # no language ever abstains
        return _macro(scored, "abstention_recall")

    def join(means: Mapping[Hashable, Floats]) -> Floats:
        zeros = np.zeros_like(next(iter(means.values())))
        pairs = [(means.get((x, "abstention_precision"), zeros), means[x, "abstention_recall"]) for x in scored]
        return np.asarray(np.mean([harmonic(*pair) for pair in pairs], axis=0))

    value = join({part: np.array([np.mean([v for _, v in rows])]) for part, rows in parts.items()})
    n = sum(len(rows["abstention_recall"]) for rows in scored.values())
    return _metric_value((float(value[0]), n, joint_interval(parts, join)))


def _aurc(by_language: Mapping[str, Rows]) -> MetricValue:
    curves = [(rows[SURE], rows[SURE_WRONG]) for rows in by_language.values() if rows.get(SURE)]
    if not curves:
        return NO_VALUE
    areas = [_area(sure, wrong) for sure, wrong in curves]
    n = sum(len(sure) for sure, _ in curves)
    return _metric_value((float(np.mean(areas)), n, macro_area_interval(curves)))


def _area(sure: Sequence[ClusteredValue], wrong: Sequence[ClusteredValue]) -> float:
    return area([v for _, v in sure], [v for _, v in wrong])


def count_tokens(predictions: Sequence[Prediction]) -> TokenCost:
    """Return the mean tokens and seconds of the rows that count their tokens."""
    counted = [p for p in predictions if not p.error and p.output_tokens is not None]
    if not counted:
        return TokenCost(0, None, None, None, None)
    out, seconds = sum(p.output_tokens or 0 for p in counted), sum(p.seconds for p in counted)
    return TokenCost(
        len(counted),
        float(np.mean([p.prompt_tokens or 0 for p in counted])),
        out / len(counted),
        seconds / len(counted),
        out / seconds if seconds else None,
    )
