"""What the bench's own scoring costs: benchmarks/scoring.py's figures."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks import scoring
from benchmarks.speed.measure import Found, Goal, Growth, Plan, Row, by_turns, took
from eval.statistics import cluster_bootstrap, macro_mean
from mlrag.errors import MlragError

_ITEMS, _LANGS = 10_000, 16


def intervals(plan: Plan) -> list[Row]:
    """What an interval of many items costs, three of them in a cluster: of a mean of means, and by bootstrap."""
    values = np.random.default_rng(0).random(_ITEMS).tolist()
    clusters = [f"c{n // 3}" for n in range(_ITEMS)]
    rows = list(zip(clusters, values, strict=True))
    by_language = {str(n): rows[n::_LANGS] for n in range(_LANGS)}
    works = {
        f"an interval of {_ITEMS} items, the mean of {_LANGS} languages' means": lambda: macro_mean(by_language),
        f"an interval of {_ITEMS} items by bootstrap": lambda: cluster_bootstrap(values, clusters),
    }
    cost = by_turns({name: partial(took, work, 1) for name, work in works.items()}, plan.rounds)
    goal = Goal("ours", "<=", 0.1)
    return [Row("evaluation", name, "CPU-s", t.best, _ITEMS, t.spread, goal=goal) for name, t in cost.items()]


def measure(plan: Plan) -> Found:
    """On the rows of the latest stored run; without one there is nothing to score."""
    try:
        wanted = 500 if plan.quick else 3000
        rows = scoring.rows_of(None, wanted)
    except MlragError as error:
        missing = Row("evaluation", "scoring a row", "us/row", None, 0, note=f"no stored run: {error}")
        return Found([missing, *intervals(plan)])
    n = sum(map(len, rows.values()))
    works = {"bare": scoring.bare, "same": scoring.answers, "every": scoring.scored, "chrf": scoring.chrf_alone}
    cost = by_turns({k: lambda w=w: scoring.seconds(lambda: w(rows), 1) / n for k, w in works.items()}, plan.rounds)
    us = {name: 1e6 * t.best for name, t in cost.items()}
    found = [
        Row(
            "evaluation",
            "five answer figures with means and intervals",
            "us/row",
            us["same"],
            n,
            cost["same"].spread,
            us["bare"],
            "sacrebleu and numpy by hand",
            us["chrf"],
            "sacrebleu's chrF alone",
            us["same"] / us["bare"],
            Goal("ratio", "<=", 1.15),
        ),
        Row("evaluation", "every figure of every row", "us/row", us["every"], n, cost["every"].spread),
        *intervals(plan),
    ]
    points = []
    for size in (100, 300, 1000) if plan.quick else (100, 300, 1000, 3000, 10000):
        some = scoring.rows_of(None, size)
        count = sum(map(len, some.values()))
        points.append((float(count), scoring.seconds(lambda s=some: scoring.scored(s), 1)))
    return Found(found, Growth("evaluation", "Scoring every figure", "rows", "CPU-s", {"mlrag": points}))
