"""The advice as one HTML page: static, without scripts, in the report's own clothes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eval.advice import wording
from eval.advice.costing import UNITS
from eval.advice.decide import Advice
from eval.advice.matrix import KINDS, Matrix, frontier, sources
from eval.report.charts import Spot, cost
from eval.report.pages import font_rules, render
from eval.results.scores import Figure
from eval.statistics import Interval
from mlrag.languages import language


def write_page(path: Path, advice: Advice, matrix: Matrix, made: Mapping[str, Any], gained: Sequence[Any] = ()) -> None:
    """One file."""
    packs = [language(code) for code in advice.need.weights]
    page = render(
        "advice.html",
        advice=advice,
        matrix=matrix,
        made=made,
        words=wording,
        kinds=KINDS,
        unit=UNITS[advice.costs.basis],
        packs=packs,
        sources=sources(matrix),
        drawing=_frontier(advice),
        best=frontier(advice),
        lines=[(line, wording.line_in_words(line)) for line in advice.lines],
        gained=gained,
        fonts=font_rules(packs),
    )
    path.write_text(page, encoding="utf-8", errors="replace")


def _frontier(advice: Advice) -> Markup:
    """Right replies of the mix against cost; empty where fewer than two were measured."""
    means, values = advice.mix.means, advice.costs.values
    spots = [
        Spot(name, index, max(value, 1e-3), Figure(m.value, m.n, Interval(m.low, m.high)))
        for index, (name, m) in enumerate(means.items())
        if (value := values.get(name)) is not None
    ]
    if len(spots) < 2:
        return Markup("")
    basis = advice.costs.basis
    return cost(
        "frontier", "Quality against cost", spots, (UNITS[basis], "right replies, your mix"), UNITS[basis].split()[0]
    )
