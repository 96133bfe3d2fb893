"""What the bench's own scoring costs: benchmarks/scoring.py's figures."""

from __future__ import annotations

from benchmarks import scoring
from benchmarks.speed.measure import Found, Goal, Growth, Plan, Row, by_turns
from mlrag.errors import MlragError


def measure(plan: Plan) -> Found:
    """On the rows of the latest stored run; without one there is nothing to score."""
    try:
        wanted = 500 if plan.quick else 3000
        rows = scoring.rows_of(None, wanted)
    except MlragError as error:
        return Found([Row("evaluation", "scoring a row", "us/row", None, 0, note=f"no stored run: {error}")])
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
    ]
    points = []
    for size in (100, 300, 1000) if plan.quick else (100, 300, 1000, 3000, 10000):
        some = scoring.rows_of(None, size)
        count = sum(map(len, some.values()))
        points.append((float(count), scoring.seconds(lambda s=some: scoring.scored(s), 1)))
    return Found(found, Growth("evaluation", "Scoring every figure", "rows", "CPU-s", {"mlrag": points}))
