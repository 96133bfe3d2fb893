"""Figures of rows by language: their rate or mean with a cluster-robust interval, and the groups they are shown in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from eval.results.metric_value import NO_VALUE, MetricValue
from eval.runner.closed_book import UNFINISHED
from eval.statistics import Difference, Interval, macro_difference, macro_rate
from eval.statistics.moments import Rows
from eval.types import Prediction
from mlrag.languages import language


def groups(langs: Iterable[str]) -> dict[str, list[str]]:
    """ "all", then the tiers, then the languages, each with its languages."""
    found = list(langs)
    tiers: dict[str, list[str]] = {}
    for lang in found:
        tiers.setdefault(f"T{language(lang).tier}", []).append(lang)
    return {"all": found} | dict(sorted(tiers.items())) | {lang: [lang] for lang in found}


def rate(by_language: Mapping[str, Rows]) -> MetricValue:
    """The mean of the languages' means of values in [0, 1]; languages without rows are left out."""
    there = {lang: rows for lang, rows in by_language.items() if rows}
    if not there:
        return NO_VALUE
    found = macro_rate(there)
    return MetricValue(found.value, found.n, found.interval)


def difference(by_language: Mapping[str, Rows]) -> Difference:
    """The mean of the languages' mean paired differences; nan throughout where there is no row."""
    there = {lang: rows for lang, rows in by_language.items() if rows}
    return macro_difference(there) if there else Difference(math.nan, Interval(math.nan, math.nan), 1.0, 0)


def points(found: Difference) -> str:
    """ "+12.5 [3.0, 22.0] n=40" in points of 100; "–" for no rows; ends that are not known as "?"."""
    if not found.n:
        return "–"
    low, high = (
        f"{100 * end:+.1f}" if math.isfinite(end) else "?" for end in (found.interval.low, found.interval.high)
    )
    return f"{100 * found.value:+.1f} [{low}, {high}] n={found.n}"


def unfinished(predictions: Iterable[Prediction]) -> str:
    """How many replies used up their room: "3 of 40"; "" for none."""
    ran = [UNFINISHED in p.warnings for p in predictions if not p.error]
    return f"{sum(ran)} of {len(ran)}" if any(ran) else ""


def failures(predictions: Iterable[Prediction]) -> str:
    """How many rows failed, and why the first did: "3: no server"; "" for none."""
    errors = [p.error for p in predictions if p.error]
    return f"{len(errors)}: {errors[0]}" if errors else ""


def mean_of(values: Iterable[float | None]) -> str:
    """The mean of what is known, as "123"; "–" for nothing."""
    known = [v for v in values if v is not None]
    return f"{sum(known) / len(known):.0f}" if known else "–"
