"""The decision matrix: dimensions × candidates. Each cell says measured, published, computed or unknown.

total      T = Σ w_d · s_d / Σ w_d, s_d in [0, 1], over the dimensions that are known of every candidate with a total;
           a candidate with less than half of the weights known has none
efficiency E = T · (c_min / c)^γ, c the candidate's cost, at least a hundredth of the dearest one's, c_min the least

Once over the measured dimensions, once over the published ones; the two are never added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from eval.advice.constraints import Candidate, Feasibility, parse_candidate
from eval.advice.decide import Advice
from eval.advice.need import CostBasis, presets
from eval.advice.published import find_scores
from eval.advice.totals import Costs, Total, compute_totals, rank_costs
from eval.probes.history import HEADLINES, StoredMetric, StoredReport, find_metric
from eval.report.tables import format_estimate
from eval.results.metric_value import MetricValue
from eval.statistics import Interval
from mlrag.models.variants import CustomVariant, family

Kind = Literal["measured", "published"]
CellSource = Literal["measured", "published", "computed", "unknown"]
KINDS: tuple[Kind, ...] = ("measured", "published")
GAMMA = 0.25  # how strongly cost counts: sixteen times the cost halves the score


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its `text` and `why`, the origin. `score` in [0, 1] counts in a total; None does not."""

    source: CellSource
    text: str
    why: str = ""
    score: float | None = None


UNKNOWN = Cell("unknown", "–")


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One dimension. `kind` is None for facts, which carry no weight."""

    name: str
    title: str
    kind: Kind | None
    weight: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Columns are the candidates in the order of `names`."""

    names: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    totals: Mapping[Kind, tuple[Total, ...]]
    gamma: float
    basis: Mapping[Kind, CostBasis]


def weigh_dimensions(scenario: Mapping[str, Any] | None, given: Mapping[str, float]) -> dict[str, float]:
    """Return weights by dimension: preset, then scenario, then `given`. Raises ValueError for an unknown dimension."""
    weights = {d["name"]: float(d["weight"]) for d in presets()["dimension"]}
    changed = {**(scenario or {}).get("weights", {}), **given}
    if unknown := set(changed) - set(weights):
        raise ValueError(f"there is no dimension {', '.join(sorted(unknown))}; known: {', '.join(weights)}")
    if any(w < 0 for w in changed.values()):
        raise ValueError(f"a weight is 0 or more, not {changed}")
    return weights | {name: float(w) for name, w in changed.items()}


def make_matrix(
    advice: Advice, weights: Mapping[str, float], gamma: float = GAMMA, stored: Sequence[StoredReport] = ()
) -> Matrix:
    """Build the matrix.

    Args:
        weights: by dimension.
        stored: results of probes on this machine.
    """
    fits = select_columns(advice)
    names = tuple(f.candidate.name for f in fits)
    priced: dict[Kind, Costs] = {"measured": advice.costs, "published": rank_costs(fits, {}, advice.need, "memory")}
    rows = [_dimension_row(d, fits, advice, weights[d["name"]], stored) for d in presets()["dimension"]]
    sums = {kind: _sum_up([r for r in rows if r.kind == kind], names, priced[kind], gamma) for kind in KINDS}
    basis = {kind: priced[kind].basis for kind in KINDS}
    return Matrix(names, (*rows, *_facts(fits, advice, stored)), sums, gamma, basis)


def select_columns(advice: Advice) -> list[Feasibility]:
    """Return what is feasible and measured, and each other feasible member once with and once without thinking."""
    measured = [f for f in advice.feasible if f.candidate.name in advice.evidence.measured]
    first: dict[tuple[str, bool], Feasibility] = {}
    for f in (*measured, *advice.feasible):
        if f.candidate.spec and not f.candidate.own:
            first.setdefault((f.candidate.spec.name, f.candidate.think), f)
    return sorted([*measured, *(f for f in first.values() if f not in measured)], key=_column_order)


def _column_order(found: Feasibility) -> tuple[int, str, bool]:
    """Sort key: extractive, the family from the smallest up (without, with thinking), then others."""
    one = found.candidate
    size = list(family()).index(one.spec.name) if one.spec else -1 if one.modelless else len(family())
    return size, one.name.removesuffix("+think"), one.think


def _sum_up(rows: Sequence[MatrixRow], names: Sequence[str], priced: Costs, gamma: float) -> tuple[Total, ...]:
    score = np.array([[math.nan if c.score is None else c.score for c in r.cells] for r in rows], float)
    return compute_totals(names, score, np.array([r.weight for r in rows], float), priced, gamma)


def _dimension_row(
    d: Mapping[str, Any], fits: Sequence[Feasibility], advice: Advice, weight: float, stored: Sequence[StoredReport]
) -> MatrixRow:
    if "suite" in d:
        of_suite = suite_cells(
            d["suite"], d["headline"], [f.candidate for f in fits], list(advice.need.weights), stored
        )
        has_score = any(c.score is not None for c in of_suite)  # a dimension without any score has no weight
        return MatrixRow(d["name"], d["title"], d["kind"], weight if has_score else 0.0, of_suite)
    if d["kind"] == "measured":
        cells = [_measured_cell(d, f.candidate.name, advice) for f in fits]
    else:
        cells = [_published_cell(d, f.candidate) for f in fits]
    return MatrixRow(d["name"], d["title"], d["kind"], weight, tuple(cells))


def _measured_cell(d: Mapping[str, Any], name: str, advice: Advice) -> Cell:
    results = advice.evidence.measured.get(name)
    if results is None:
        return UNKNOWN
    models = "a stand-in" if results.stand_in else ", ".join(results.models)
    if "figure" not in d:
        mean = advice.mix.means.get(name)
        if mean is None:
            return UNKNOWN
        text = format_estimate(mean.value, Interval(mean.low, mean.high), mean.n)
        return Cell("measured", text, models, mean.value)
    metric = results.compute_metric(d["figure"])
    if metric.value is None or metric.interval is None:
        return UNKNOWN
    value, interval = metric.value, metric.interval
    if d.get("less"):
        value, interval = 1 - value, Interval(1 - interval.high, 1 - interval.low)
    return Cell("measured", format_estimate(value, interval, metric.n), models, value)


def suite_cells(
    suite: str, title: str, candidates: Sequence[Candidate], langs: Sequence[str], stored: Sequence[StoredReport]
) -> tuple[Cell, ...]:
    """Return a suite's headline for each candidate, from its latest result; unknown where there is none.

    Over exactly these languages it counts; over others it is shown with their number.
    """
    headline = next(h for h in HEADLINES if (h.probe, h.title) == (suite, title))

    def cell(wanted: Candidate) -> Cell:
        def same(name: str, one: StoredReport) -> bool:
            own = {n: CustomVariant(**c) for n, c in one.signature.get("own_variants", {}).items()}
            found = parse_candidate(name, own)
            return found.name == wanted.name or (found.key == wanted.key and not found.own and not wanted.own)

        if exact := find_metric(stored, headline, same, langs):
            return _suite_cell(exact, True)
        return _suite_cell(find_metric(stored, headline, same, langs, of_all_languages=True), False)

    return tuple(map(cell, candidates))


def _suite_cell(found: StoredMetric | None, exact: bool) -> Cell:
    if found is None:
        return UNKNOWN
    langs = "" if exact else f" ({len(found.report.langs)} languages)"
    score = found.figure.value if exact and isinstance(found.figure, MetricValue) else None
    return Cell("measured", found.text + langs, f"{found.source}: {', '.join(found.report.models)}", score)


def _published_cell(d: Mapping[str, Any], one: Candidate) -> Cell:
    """Show the published score; that of a fine-tune's base does not count for the fine-tune."""
    this, other = find_scores(one.spec, d["benchmark"], one.think)
    score = this or other
    if score is None:
        return UNKNOWN
    why = f"{score.source}, {score.date}; {score.conditions}"
    if one.own:
        return Cell("published", f"{score.value:g} (its base)", why)
    if this is None:
        return Cell("published", f"{score.value:g} (thinking {'off' if one.think else 'on'})", why)
    if "UNVERIFIED" in score.conditions:
        return Cell("published", f"{score.value:g} (unverified)", why)
    return Cell("published", f"{score.value:g}", why, score.value / 100)


def _facts(fits: Sequence[Feasibility], advice: Advice, stored: Sequence[StoredReport]) -> list[MatrixRow]:
    measured = advice.evidence.measured
    speeds = suite_cells("efficiency", "write tokens/s", [f.candidate for f in fits], (), stored)
    speed = MatrixRow("speed", "tokens written a second, one stream", None, 0.0, speeds)

    def seconds(fit: Feasibility) -> Cell:
        p95 = measured[fit.candidate.name].p95 if fit.candidate.name in measured else None
        return UNKNOWN if p95 is None else Cell("measured", f"{p95:.2f}")

    def location(fit: Feasibility) -> Cell:
        at = fit.candidate.location
        return Cell("computed", "on your machine" if at == "here" else presets()["offer"][at]["title"])

    facts: tuple[tuple[str, str, Callable[[Feasibility], Cell]], ...] = (
        ("memory", f"memory at {advice.need.context} tokens, GB", _memory),
        ("context", "longest context, tokens", lambda f: _spec(f, "context")),
        ("senses", "takes", lambda f: _spec(f, "modalities")),
        ("seconds", "seconds, p95", seconds),
        ("place", "runs", location),
        ("price", "$ for a million tokens in / out", _price),
        ("licence", "licence", lambda f: _spec(f, "licence")),
    )
    rows = [MatrixRow(name, title, None, 0.0, tuple(map(cell, fits))) for name, title, cell in facts]
    after_seconds = [r.name for r in rows].index("seconds") + 1
    return [*rows[:after_seconds], speed, *rows[after_seconds:]]


def _memory(found: Feasibility) -> Cell:
    if found.candidate.location != "here":
        return Cell("computed", "0 (not here)")
    why = "published weights, computed caches (docs/variants.md)"
    return UNKNOWN if found.memory is None else Cell("computed", f"{found.memory:.1f}", why)


def _spec(found: Feasibility, name: str) -> Cell:
    if found.candidate.spec is None:
        return UNKNOWN
    value = getattr(found.candidate.spec, name)
    return Cell("published", ", ".join(value) if isinstance(value, tuple) else str(value), "model card")


def _price(found: Feasibility) -> Cell:
    if found.candidate.location == "here":
        return Cell("computed", "0")
    source = presets()["offer"][found.candidate.location]["source"]
    if not found.dollars:
        return Cell("unknown", "–", source)
    return Cell("published", "{:g} / {:g}".format(*found.dollars), source)


def find_frontier(advice: Advice) -> list[str]:
    """Return the measured candidates that no other one beats in both mean and cost, the cheapest first."""
    means = advice.mix.means
    priced = {n: v for n in means if (v := advice.costs.values.get(n)) is not None}
    kept, best = [], -1.0
    for name in sorted(priced, key=lambda n: (priced[n], -means[n].value)):
        if means[name].value > best:
            kept.append(name)
            best = means[name].value
    return kept


def list_sources(matrix: Matrix) -> list[str]:
    """List the sources of published cells: dimension, values of the candidates, source."""
    sources = []
    for row in (r for r in matrix.rows if r.kind == "published"):
        by_source: dict[str, list[str]] = {}
        for name, c in zip(matrix.names, row.cells, strict=True):
            if c.source == "published":
                by_source.setdefault(c.why, []).append(f"{name} {c.text}")
        sources += [f"{row.title}: {', '.join(values)} ({why})" for why, values in by_source.items()]
    return sources
