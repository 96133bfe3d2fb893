"""Figures that are not scored from a run's rows alone, put beside those that are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.metrics.selective import Row
from eval.results.scores import Figure, Report
from eval.statistics import macro_rate
from mlrag.languages import language


def mean_figure(by_language: Mapping[str, Sequence[Row]]) -> Figure:
    """The mean of the languages' means, each of rows (cluster, value in [0, 1]), with its interval."""
    found = macro_rate(by_language)
    return Figure(found.value, found.n, found.interval)


def with_figures(result: dict[str, Any], of: Callable[[str, Sequence[str]], Mapping[str, Figure]]) -> dict[str, Any]:
    """The result with more figures in every report: `of` a variant and the languages of a row of the table."""
    return result | {"variants": {name: _variant(name, found, of) for name, found in result["variants"].items()}}


def _variant(name: str, found: dict[str, Any], of: Callable[[str, Sequence[str]], Mapping[str, Figure]]) -> Any:
    langs: dict[str, list[str]] = {}
    for lang in found["languages"]:
        langs.setdefault(f"T{language(lang).tier}", []).append(lang)
    return found | {
        "languages": {lang: _joined(report, of(name, [lang])) for lang, report in found["languages"].items()},
        "tiers": {tier: _joined(report, of(name, langs[tier])) for tier, report in found["tiers"].items()},
    }


def _joined(report: Report, more: Mapping[str, Figure]) -> Report:
    return replace(report, figures={**report.figures, **more})
