"""python -m benchmarks.advice [--quick] [--worlds 1000]: does the rule of eval.advise keep its word?

A world is a machine, a mix of languages, what each variant is truly worth in each, and as many answered questions as
somebody asked (benchmarks/advice_worlds.py). The rule sees the answers only. Beside it: the parameter count that
other tools go by, the highest measured mean, and the largest that fits. Then the rule with its advice followed: asked
again with as many questions as it wanted, until it chooses. Markdown on stdout; needs no model.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from benchmarks.advice_worlds import MARGIN, WORLDS, Runner, World, answers, first_rows
from eval.advice.decision_rule import Table, decide
from eval.statistics import wilson

QUESTIONS = (50, 200, 1000, 4000)  # a language
START, MOST, ROUNDS = 100, 6000, 8  # questions a language at first and at last, and how often it is asked again


def bucket(runner: Runner) -> float:
    """llmfit's base score (fit.rs): a step function of parameters, of active ones where not all work; no languages."""
    if runner.spec is None:
        return 0.0
    p = runner.spec.parameters
    size = p.active or p.published
    steps = ((1, 30.0), (3, 45.0), (7, 60.0), (10, 75.0), (20, 82.0), (40, 89.0))
    return next((score for below, score in steps if size < below), 95.0)


def by_rule(world: World, table: Table) -> int | None:
    if len(world.runners) < 2:
        return 0
    chosen = decide(table, [r.cost for r in world.runners], MARGIN).chosen
    return None if chosen is None else int(chosen)


def by_parameters(world: World, table: Table) -> int:
    del table
    return max(range(len(world.runners)), key=lambda i: (bucket(world.runners[i]), -world.runners[i].cost))


def by_parameters_and_truth(world: World, table: Table) -> int:
    """The same size, and thinking as it is truly best: what no count can know, so that it is not held against it."""
    size = world.runners[by_parameters(world, table)].spec
    same = [i for i, r in enumerate(world.runners) if r.spec is size]
    return min(same, key=lambda i: float(world.loss[i]))


def by_mean(world: World, table: Table) -> int:
    del world
    sizes = np.bincount(table.stratum)
    found = [np.bincount(table.stratum, v) / sizes @ table.weights for v in table.values]
    return int(np.argmax(found))


def by_size(world: World, table: Table) -> int:
    del table
    return max(range(len(world.runners)), key=lambda i: world.runners[i].cost)


Chooser = Callable[[World, Table], int | None]
CHOOSERS: dict[str, Chooser] = {
    "eval.advise": by_rule,
    "highest mean *": by_mean,
    "parameter count (llmfit's base score) *": by_parameters,
    "the same, thinking told by an oracle *": by_parameters_and_truth,
    "largest that fits *": by_size,
}


@dataclass(frozen=True, slots=True)
class Tally:
    """Of the worlds: where it chose, where that was beyond the margin, where it did not fit into memory, and what it
    gave up (a share) and paid (GB) on average."""

    chose: int
    wrong: int
    infeasible: int
    loss: float
    cost: float
    worlds: int


def simulate(kind: str, questions: int, worlds: int) -> dict[str, Tally]:
    rng = np.random.default_rng([zlib.crc32(kind.encode()), questions])
    picks: dict[str, list[tuple[World, int]]] = {name: [] for name in CHOOSERS}
    for _ in range(worlds):
        world = WORLDS[kind](rng, questions)
        table = answers(world, rng)
        for name, choose in CHOOSERS.items():
            place = choose(world, table)
            if place is not None:
                picks[name].append((world, place))
    return {name: _tally(found, worlds) for name, found in picks.items()}


def follow(kind: str, worlds: int) -> tuple[Tally, float]:
    """The rule when its "ask n more" is followed; and how many questions a language that took on average."""
    rng = np.random.default_rng([zlib.crc32(kind.encode()), 1])
    picks: list[tuple[World, int]] = []
    asked: list[float] = []
    for _ in range(worlds):
        world = WORLDS[kind](rng, MOST)
        table = answers(world, rng)
        counts = np.full(len(world.weights), START)
        if len(world.runners) == 1:
            picks.append((world, 0))
            continue
        for _ in range(ROUNDS):
            ruling = decide(first_rows(table, counts), [r.cost for r in world.runners], MARGIN)
            if ruling.chosen is not None:
                picks.append((world, int(ruling.chosen)))
                break
            counts = np.minimum(MOST, counts + np.array([ruling.more.get(s, 0) for s in range(len(counts))]))
        asked.append(float(counts.mean()))
    return _tally(picks, worlds), float(np.mean(asked))


def _tally(found: Sequence[tuple[World, int]], worlds: int) -> Tally:
    losses = [float(world.loss[place]) for world, place in found]
    costs = [world.runners[place].cost for world, place in found]
    over = sum(int(cost) > world.room for (world, _), cost in zip(found, costs, strict=True))
    wrong = sum(loss > MARGIN for loss in losses)
    loss, cost = (float(np.mean(column)) if column else 0.0 for column in (losses, costs))
    return Tally(len(found), wrong, over, loss, cost, worlds)


def _line(kind: str, questions: str, name: str, t: Tally) -> str:
    share = wilson(t.wrong / t.worlds, t.worlds)
    kept = "" if name.endswith("*") else "yes" if t.wrong <= 0.05 * t.worlds and not t.infeasible else "**no**"
    of_chosen = f"{100 * t.wrong / t.chose:.1f}" if t.chose else "–"
    return (
        f"| {kind} | {questions} | {name} | {100 * t.chose / t.worlds:.1f} | {100 * t.wrong / t.worlds:.1f} "
        f"[{100 * share.low:.1f}, {100 * share.high:.1f}] | {of_chosen} | {t.infeasible} | {100 * t.loss:.1f} "
        f"| {t.cost:.1f} | {kept} |"
    )


HEAD = (
    "| worlds | questions a language | chooser | chose, % | beyond the margin, % of worlds | of those chosen, % "
    "| infeasible | loss, points | GB | kept |"
)


def main(
    worlds: Annotated[int, typer.Option(min=1, help="Worlds of each kind and number of questions.")] = 1000,
    quick: Annotated[bool, typer.Option("--quick", help="60 worlds and few questions, in seconds.")] = False,
) -> None:
    """Print how often each way of choosing errs."""
    start, count = time.process_time(), 60 if quick else worlds
    typer.echo(f"{HEAD}\n|{'---|' * 10}")
    for kind in WORLDS:
        for questions in QUESTIONS[:2] if quick else QUESTIONS:
            for name, tally in simulate(kind, questions, count).items():
                typer.echo(_line(kind, str(questions), name, tally))
    for kind in ("plain", "hard"):
        tally, asked = follow(kind, count // 10 if quick else count)
        typer.echo(_line(kind, f"{START} at first, {asked:.0f} at last", "eval.advise, followed", tally))
    typer.echo(f"\nMargin {100 * MARGIN:.0f} points; {time.process_time() - start:.0f} s of one core.")


if __name__ == "__main__":
    typer.run(main)
