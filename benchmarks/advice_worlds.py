"""Worlds of a known truth, for benchmarks/advice.py."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from eval.advice.constraints import check_candidate, parse_candidate
from eval.advice.decision_rule import Table
from eval.advice.need import Requirements, TargetHardware
from mlrag.models.variants import VariantSpec, family

Floats = NDArray[np.float64]
Rng = np.random.Generator
MARGIN = 0.02
TOPICS = 18  # of our own test questions
_MACHINES = (8, 12, 16, 24, 32, 48, 80)  # GB for the model
_NORMAL = NormalDist()
_GRID = np.linspace(0.001, 0.999, 999)
_LIMITS = np.array([_NORMAL.inv_cdf(p) for p in _GRID])


@dataclass(frozen=True, slots=True)
class Runner:
    """A variant with thinking off or on. `spec` is None for extractive; `cost` orders, GB and then thinking."""

    spec: VariantSpec | None
    think: bool
    cost: float


@dataclass(frozen=True, slots=True)
class World:
    """`truth` is (runners, languages), what share of questions ends right; only runners that fit into `room` GB are in
    it. `topics`: of how many clusters the questions are, in which each runner has its own luck; 0: each is its own."""

    runners: tuple[Runner, ...]
    room: float
    truth: Floats
    weights: Floats
    questions: int
    topics: int = 0

    @property
    def loss(self) -> Floats:
        worth = self.truth @ self.weights
        return np.asarray(worth.max() - worth)


def machine(rng: Rng) -> tuple[float, tuple[Runner, ...]]:
    """The GB for a model and who fits there, as eval.advise finds it, at a context drawn by chance."""
    room, context = float(rng.choice(_MACHINES)), int(rng.choice([2048, 8192, 32768]))
    here, need = TargetHardware(None, room, None, 8, "given"), Requirements({"ta": 1.0}, context)
    runners = [Runner(None, False, 0.0)]
    for spec in family().values():
        found = check_candidate(parse_candidate(spec.name), need, here)
        if found.feasible and found.memory is not None:
            runners += [Runner(spec, False, found.memory), Runner(spec, True, found.memory + 0.01)]
    return room, tuple(runners)


def plain_world(rng: Rng, questions: int) -> World:
    """Bigger is better by and large, thinking helps or harms, languages differ, and near ties are common."""
    room, runners = machine(rng)
    langs = int(rng.integers(1, 9))
    size = np.array([np.log(r.spec.parameters.published) if r.spec else 0.5 for r in runners])
    slope, level = rng.uniform(-0.05, 0.5), rng.normal(0.2, 0.5)
    own = rng.normal(0, 0.2, len(runners)) + np.array([rng.normal(0.1, 0.2) * r.think for r in runners])
    hard = rng.normal(0, 0.5, langs)
    latent = level + slope * (size - 2)[:, None] + own[:, None] + hard + rng.normal(0, 0.1, (len(runners), langs))
    return World(runners, room, np.vectorize(_NORMAL.cdf)(latent), rng.dirichlet(np.full(langs, 2.0)), questions)


def hard_world(rng: Rng, questions: int, topics: int = 0) -> World:
    """The worst for the rule: all but one are behind by a hair more than the margin, in every language."""
    room, runners = machine(rng)
    while len(runners) < 2:
        room, runners = machine(rng)
    langs = int(rng.integers(1, 9))
    best = rng.uniform(0.3, 0.97, langs)
    truth = np.tile(best - MARGIN - 1e-4, (len(runners), 1))
    truth[int(rng.integers(len(runners)))] = best
    return World(runners, room, truth, rng.dirichlet(np.full(langs, 2.0)), questions, topics)


def topics_world(rng: Rng, questions: int) -> World:
    """A hard one whose questions are of 18 topics, as our own are; a tenth of each runner's luck is the topic's."""
    return hard_world(rng, questions, TOPICS)


WORLDS = {"plain": plain_world, "hard": hard_world, "hard, 18 topics": topics_world}


def answers(world: World, rng: Rng) -> Table:
    """Yes/no rows. An item is alike hard for all runners and languages, so rows pair and cluster as ours do."""
    runners, langs = world.truth.shape
    n = world.questions
    cluster = np.arange(n) % (world.topics or n)
    per_lang = np.sqrt(0.5) * rng.standard_normal(n) + np.sqrt(0.5) * rng.standard_normal((langs, n))
    alike = rng.uniform(0.3, 0.8)
    luck = rng.standard_normal((runners, langs, n))
    if world.topics:
        shared = rng.standard_normal((runners, 1, world.topics))[:, :, cluster]
        luck = np.sqrt(0.1) * shared + np.sqrt(0.9) * luck
    limits = np.interp(world.truth, _GRID, _LIMITS)
    right = np.sqrt(alike) * per_lang + np.sqrt(1 - alike) * luck < limits[:, :, None]
    return Table(
        tuple(map(str, range(runners))),
        right.reshape(runners, -1).astype(float),
        np.repeat(np.arange(langs), n),
        np.tile(cluster, langs),
        world.weights,
    )


def first_rows(table: Table, counts: NDArray[np.intp]) -> Table:
    """The first so many rows of each stratum."""
    kept = np.concatenate([np.flatnonzero(table.stratum == s)[:n] for s, n in enumerate(counts)])
    return Table(table.names, table.values[:, kept], table.stratum[kept], table.cluster[kept], table.weights)
