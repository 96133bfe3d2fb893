"""The advice on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from eval.advice import wording
from eval.advice.decide import Advice
from eval.advice.matrix import KINDS, Matrix, frontier
from eval.advice.totals import Total
from eval.report.plain import as_rich


def show(advice: Advice, matrix: Matrix, made: Mapping[str, Any], gained: tuple[Any, ...], console: Console) -> None:
    """Choice, cautions, commands, lines, totals, what is excluded."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(wording.headline(advice))
    say(wording.wishes_in_words(advice))
    say(wording.machine_in_words(advice))
    if made["regime"]:
        say(f"{made['regime_title']}: {made['regime_says']} Information, not legal advice.")
    for caution in (*wording.cautions(advice), *map("published: {}".format, wording.about_languages(advice))):
        say(f"- {caution}")
    for command in wording.next_steps(advice):
        say(f"next: {command}")
    runner_up = advice.mix.runner_up or advice.published.runner_up
    for flip in ([f"runner-up: {runner_up}"] if runner_up else []) + list(advice.flips):
        say(f"flip: {flip}")
    if advice.evidence.measured:
        console.print(as_rich("By your runs", wording.LINE_HEAD, [wording.line_in_words(x) for x in advice.lines]))
        say(f"on the frontier of quality and {advice.costs.basis}: {', '.join(frontier(advice))}")
    for kind in KINDS:
        if any(t.total is not None for t in matrix.totals[kind]):
            head = ("variant", "total", "adjusted", "first in draws", "ranks")
            console.print(as_rich(f"Matrix, {kind}", head, [_total(t) for t in matrix.totals[kind] if t.ranks]))
    if gained:
        console.print(as_rich(f"Gain of {made['compare']} over {gained[2]}", gained[0], gained[1]))
    console.print(as_rich("What fits, GB", wording.SIZE_HEAD, wording.sizes(advice)))
    if rows := wording.excluded(advice):
        console.print(as_rich("Excluded", wording.EXCLUDED_HEAD, rows))


def _total(found: Total) -> list[str]:
    total, adjusted = (f"{v:.3f}" if v is not None else "–" for v in (found.total, found.efficient))
    ranks = f"{found.ranks[0]}–{found.ranks[1]}" if found.ranks else "–"
    return [found.name, total, adjusted, f"{100 * found.first:.0f} %", ranks]
