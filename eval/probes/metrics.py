"""Metrics of rows by language: rates and paired differences with cluster-robust intervals, by tier and language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from eval.results.metric_value import NO_VALUE, MetricValue
from eval.runner.closed_book import UNFINISHED
from eval.statistics import Difference, Interval, macro_difference, macro_rate
from eval.statistics.moments import Rows
from eval.types import Prediction
from mlrag.languages import language


def group_languages(langs: Iterable[str]) -> dict[str, list[str]]:
    """Return the languages of "all", of each tier, and of each language alone."""
    codes = list(langs)
    tiers: dict[str, list[str]] = {}
    for lang in codes:
        tiers.setdefault(f"T{language(lang).tier}", []).append(lang)
    return {"all": codes} | dict(sorted(tiers.items())) | {lang: [lang] for lang in codes}


def compute_rate(by_language: Mapping[str, Rows]) -> MetricValue:
    """Return the mean of the languages' means of values in [0, 1]; languages without rows are left out."""
    with_rows = {lang: rows for lang, rows in by_language.items() if rows}
    if not with_rows:
        return NO_VALUE
    compute_rate = macro_rate(with_rows)
    return MetricValue(compute_rate.value, compute_rate.n, compute_rate.interval)


def compute_difference(by_language: Mapping[str, Rows]) -> Difference:
    """Return the mean of the languages' mean paired differences; nan throughout where there is no row."""
    with_rows = {lang: rows for lang, rows in by_language.items() if rows}
    return macro_difference(with_rows) if with_rows else Difference(math.nan, Interval(math.nan, math.nan), 1.0, 0)


def format_points(compute_difference: Difference) -> str:
    """Format as "+12.5 [3.0, 22.0] n=40" in points of 100; "–" for no rows; unknown ends as "?"."""
    if not compute_difference.n:
        return "–"
    ends = (compute_difference.interval.low, compute_difference.interval.high)
    low, high = (f"{100 * end:+.1f}" if math.isfinite(end) else "?" for end in ends)
    return f"{100 * compute_difference.value:+.1f} [{low}, {high}] n={compute_difference.n}"


def count_unfinished(predictions: Iterable[Prediction]) -> str:
    """Return how many replies reached the token limit: "3 of 40"; "" for none."""
    cut = [UNFINISHED in p.warnings for p in predictions if not p.error]
    return f"{sum(cut)} of {len(cut)}" if any(cut) else ""


def count_failures(predictions: Iterable[Prediction]) -> str:
    """Return how many rows failed, and why the first did: "3: no server"; "" for none."""
    errors = [p.error for p in predictions if p.error]
    return f"{len(errors)}: {errors[0]}" if errors else ""


def format_mean(values: Iterable[float | None]) -> str:
    """Return the mean of the known values, as "123"; "–" for none."""
    known = [v for v in values if v is not None]
    return f"{sum(known) / len(known):.0f}" if known else "–"
