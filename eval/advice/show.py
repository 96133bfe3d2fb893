"""Show the advice: one static HTML page in the style of the report, and tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.console import Console

from eval.advice import wording
from eval.advice.decide import Advice
from eval.advice.matrix import KINDS, Matrix, find_frontier, list_sources
from eval.advice.totals import UNITS, Total
from eval.report.charts import Spot, cost
from eval.report.pages import font_rules, render
from eval.report.tables import rich_table
from eval.results.metric_value import MetricValue
from eval.statistics import Interval
from mlrag.languages import language


def write_page(path: Path, advice: Advice, matrix: Matrix, made: Mapping[str, Any], gained: Sequence[Any] = ()) -> None:
    """Write the page as one file without scripts."""
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
        sources=list_sources(matrix),
        drawing=_frontier(advice),
        best=find_frontier(advice),
        lines=[(line, wording.describe_decision(line)) for line in advice.lines],
        gained=gained,
        fonts=font_rules(packs),
    )
    path.write_text(page, encoding="utf-8", errors="replace")


def _frontier(advice: Advice) -> Markup:
    """Draw right replies of the mix against cost; empty for fewer than two measured candidates."""
    means, values = advice.mix.means, advice.costs.values
    spots = [
        Spot(name, index, max(value, 1e-3), MetricValue(m.value, m.n, Interval(m.low, m.high)))
        for index, (name, m) in enumerate(means.items())
        if (value := values.get(name)) is not None
    ]
    if len(spots) < 2:
        return Markup("")
    basis = advice.costs.basis
    return cost(
        "frontier", "Quality against cost", spots, (UNITS[basis], "right replies, your mix"), UNITS[basis].split()[0]
    )


def print_advice(
    advice: Advice, matrix: Matrix, made: Mapping[str, Any], gained: tuple[Any, ...], console: Console
) -> None:
    """Print the choice, cautions, commands, decisions, totals and what is excluded."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(wording.write_headline(advice))
    say(wording.describe_requirements(advice))
    say(wording.describe_hardware(advice))
    if made["regime"]:
        say(f"{made['regime_title']}: {made['regime_says']} Information, not legal advice.")
    for caution in (*wording.list_cautions(advice), *map("published: {}".format, wording.list_language_notes(advice))):
        say(f"- {caution}")
    for command in wording.list_next_steps(advice):
        say(f"next: {command}")
    runner_up = advice.mix.runner_up or advice.published.runner_up
    for flip in ([f"runner-up: {runner_up}"] if runner_up else []) + list(advice.flips):
        say(f"flip: {flip}")
    if advice.evidence.measured:
        console.print(
            rich_table("By your runs", wording.DECISION_HEAD, [wording.describe_decision(x) for x in advice.lines])
        )
        say(f"on the frontier of quality and {advice.costs.basis}: {', '.join(find_frontier(advice))}")
    for kind in KINDS:
        if any(t.total is not None for t in matrix.totals[kind]):
            head = ("variant", "total", "adjusted", "first in draws", "ranks")
            console.print(rich_table(f"Matrix, {kind}", head, [_total(t) for t in matrix.totals[kind] if t.ranks]))
    if gained:
        console.print(rich_table(f"Gain of {made['compare']} over {gained[2]}", gained[0], gained[1]))
    console.print(rich_table("What fits, GB", wording.SIZE_HEAD, wording.list_sizes(advice)))
    if rows := wording.list_excluded(advice):
        console.print(rich_table("Excluded", wording.EXCLUDED_HEAD, rows))


def _total(found: Total) -> list[str]:
    total, adjusted = (f"{v:.3f}" if v is not None else "–" for v in (found.total, found.efficient))
    ranks = f"{found.ranks[0]}–{found.ranks[1]}" if found.ranks else "–"
    return [found.name, total, adjusted, f"{100 * found.first:.0f} %", ranks]
