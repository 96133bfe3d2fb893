"""python -m benchmarks.advice [--quick] [--worlds 1000]: does the rule of eval.advise keep its word?

A world is a machine, a mix of languages, what each variant is truly worth in each, and as many answered questions as
somebody asked. The rule sees the answers only. Beside it: the parameter count that other tools go by, the highest
measured mean, and the largest that fits. Markdown on stdout; needs no model.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from eval.advice.rule import Table, decide
from eval.statistics import wilson
from mlrag.fitting import fits, memory_gb
from mlrag.variants import VariantSpec, family

Floats = NDArray[np.float64]
Rng = np.random.Generator
MARGIN = 0.02
QUESTIONS = (50, 200, 1000, 4000)  # a language
MACHINES = (8, 12, 16, 24, 32, 48, 80)  # GB for the model
_NORMAL = NormalDist()
_LIMITS = np.array([_NORMAL.inv_cdf(p) for p in np.linspace(0.001, 0.999, 999)])


@dataclass(frozen=True, slots=True)
class Runner:
    """A variant with thinking off or on. `spec` is None for extractive; `cost` orders, GB and then thinking."""

    spec: VariantSpec | None
    think: bool
    cost: float


@dataclass(frozen=True, slots=True)
class World:
    """`truth` is (runners, languages), what share of questions ends right; only runners that fit are in it."""

    runners: tuple[Runner, ...]
    truth: Floats
    weights: Floats
    questions: int

    @property
    def loss(self) -> Floats:
        worth = self.truth @ self.weights
        return np.asarray(worth.max() - worth)


def machine(rng: Rng) -> tuple[Runner, ...]:
    """Who fits a machine and a context drawn by chance, asked of the real memory figures."""
    room, context = float(rng.choice(MACHINES)), int(rng.choice([2048, 8192, 32768]))
    runners = [Runner(None, False, 0.0)]
    for spec in family().values():
        if fits(spec, room, context):
            need = memory_gb(spec, "q4_k_m", context)
            runners += [Runner(spec, False, need), Runner(spec, True, need + 0.01)]
    return tuple(runners)


def plain_world(rng: Rng, questions: int) -> World:
    """Bigger is better by and large, thinking helps or harms, languages differ, and near ties are common."""
    runners = machine(rng)
    langs = int(rng.integers(1, 9))
    size = np.array([np.log(r.spec.parameters.published) if r.spec else 0.5 for r in runners])
    slope, level = rng.uniform(-0.05, 0.5), rng.normal(0.2, 0.5)
    own = rng.normal(0, 0.2, len(runners)) + np.array([rng.normal(0.1, 0.2) * r.think for r in runners])
    hard = rng.normal(0, 0.5, langs)
    latent = level + slope * (size - 2)[:, None] + own[:, None] + hard + rng.normal(0, 0.1, (len(runners), langs))
    return World(runners, _shares(latent), rng.dirichlet(np.full(langs, 2.0)), questions)


def hard_world(rng: Rng, questions: int) -> World:
    """The worst for the rule: all but one are behind by a hair more than the margin, in every language."""
    runners = machine(rng)
    while len(runners) < 2:
        runners = machine(rng)
    langs = int(rng.integers(1, 9))
    best = rng.uniform(0.3, 0.97, langs)
    truth = np.tile(best - MARGIN - 1e-4, (len(runners), 1))
    truth[int(rng.integers(len(runners)))] = best
    return World(runners, truth, rng.dirichlet(np.full(langs, 2.0)), questions)


def _shares(latent: Floats) -> Floats:
    return np.vectorize(_NORMAL.cdf)(latent)


def answers(world: World, rng: Rng) -> Table:
    """Yes/no rows. An item is alike hard for all runners and languages, so rows pair and cluster as ours do."""
    runners, langs = world.truth.shape
    n = world.questions
    item = rng.standard_normal(n)
    per_lang = np.sqrt(0.5) * item + np.sqrt(0.5) * rng.standard_normal((langs, n))
    alike = rng.uniform(0.3, 0.8)
    own = rng.standard_normal((runners, langs, n))
    limits = np.interp(world.truth, np.linspace(0.001, 0.999, 999), _LIMITS)
    right = np.sqrt(alike) * per_lang + np.sqrt(1 - alike) * own < limits[:, :, None]
    return Table(
        tuple(map(str, range(runners))),
        right.reshape(runners, -1).astype(float),
        np.repeat(np.arange(langs), n),
        np.tile(np.arange(n), langs),
        world.weights,
    )


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
    found = [np.bincount(table.stratum, v) @ table.weights for v in table.values]
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
WORLDS = {"plain": plain_world, "hard": hard_world}


@dataclass(frozen=True, slots=True)
class Tally:
    """Of the worlds: where it chose, where that was beyond the margin, and what it gave up and paid on average."""

    chose: int
    wrong: int
    loss: float
    cost: float
    worlds: int


def simulate(kind: str, questions: int, worlds: int) -> dict[str, Tally]:
    rng = np.random.default_rng([zlib.crc32(kind.encode()), questions])
    picks: dict[str, list[tuple[float, float]]] = {name: [] for name in CHOOSERS}
    for _ in range(worlds):
        world = WORLDS[kind](rng, questions)
        table = answers(world, rng)
        for name, choose in CHOOSERS.items():
            place = choose(world, table)
            if place is not None:
                picks[name].append((float(world.loss[place]), world.runners[place].cost))
    return {name: _tally(found, worlds) for name, found in picks.items()}


def _tally(found: Sequence[tuple[float, float]], worlds: int) -> Tally:
    wrong = sum(loss > MARGIN for loss, _ in found)
    mean = [float(np.mean(column)) for column in zip(*found, strict=True)] if found else [0.0, 0.0]
    return Tally(len(found), wrong, mean[0], mean[1], worlds)


def _line(kind: str, questions: int, name: str, t: Tally) -> str:
    share = wilson(t.wrong / t.worlds, t.worlds)
    kept = "" if name.endswith("*") else "yes" if t.wrong <= 0.05 * t.worlds else "**no**"
    of_chosen = f"{100 * t.wrong / t.chose:.1f}" if t.chose else "–"
    return (
        f"| {kind} | {questions} | {name} | {100 * t.chose / t.worlds:.1f} | {100 * t.wrong / t.worlds:.1f} "
        f"[{100 * share.low:.1f}, {100 * share.high:.1f}] | {of_chosen} | {100 * t.loss:.1f} | {t.cost:.1f} | {kept} |"
    )


def main(
    worlds: Annotated[int, typer.Option(min=1, help="Worlds of each kind and number of questions.")] = 1000,
    quick: Annotated[bool, typer.Option("--quick", help="60 worlds and few questions, in seconds.")] = False,
) -> None:
    """Print how often each way of choosing errs."""
    start, say = time.process_time(), typer.echo
    say("| worlds | questions a language | chooser | chose, % | beyond the margin, % of worlds | of those chosen, % "
          "| loss, points | GB | kept |")  # fmt: skip
    say("|---|---|---|---|---|---|---|---|---|")
    for kind in WORLDS:
        for questions in (50, 200) if quick else QUESTIONS:
            for name, tally in simulate(kind, questions, 60 if quick else worlds).items():
                say(_line(kind, questions, name, tally))
    say(f"\nMargin {100 * MARGIN:.0f} points; {time.process_time() - start:.0f} s of one core.")


if __name__ == "__main__":
    typer.run(main)
