"""The value of one metric over n rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eval.statistics import Interval, macro_rate
from eval.statistics.moments import Rows


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A mean over n rows with its 95 % interval; None where nothing could be scored, or its spread is not known."""

    value: float | None
    n: int
    interval: Interval | None


NO_VALUE = MetricValue(None, 0, None)


def macro_metric(by_language: Mapping[str, Rows]) -> MetricValue:
    """Return the mean of the languages' means of values in [0, 1]; languages without rows are left out."""
    scored = {lang: rows for lang, rows in by_language.items() if rows}
    if not scored:
        return NO_VALUE
    mean = macro_rate(scored)
    return MetricValue(mean.value, mean.n, mean.interval)
