"""The decision matrix: dimensions × candidates. Each cell says measured, published, computed or unknown.

total      T = Σ w_d · s_d / Σ w_d, s_d in [0, 1], over the dimensions that are known of every candidate with a total;
           one of which less than half of the weights is known has none
efficiency E = T · (c_min / c)^γ, c the candidate's cost, at least a hundredth of the dearest one's, c_min the least

Once over the measured dimensions, once over the published ones; the two are never added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from eval.advice.constraints import Candidate, Feasibility, parse_candidate
from eval.advice.decide import Advice
from eval.advice.need import CostBasis, presets
from eval.advice.published import find_scores
from eval.advice.totals import Costs, Total, compute_totals, rank_costs
from eval.probes.history import HEADLINES, StoredMetric, StoredReport, find_metric
from eval.results.metric_value import MetricValue
from mlrag.models.variants import CustomVariant, family

Kind = Literal["measured", "published"]
CellSource = Literal["measured", "published", "computed", "unknown"]
KINDS: tuple[Kind, ...] = ("measured", "published")
GAMMA = 0.25  # how strongly cost counts: sixteen times the cost halves the score


@dataclass(frozen=True, slots=True)
class Cell:
    """`score` in [0, 1] counts in a total; None does not. `said` is what is shown, `why` where it comes from."""

    source: CellSource
    said: str
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
    """By dimension: the preset's, the scenario's in their place, then those given. Raises ValueError for others."""
    found = {d["name"]: float(d["weight"]) for d in presets()["dimension"]}
    changed = {**(scenario or {}).get("weights", {}), **given}
    if strange := set(changed) - set(found):
        raise ValueError(f"there is no dimension {', '.join(sorted(strange))}; known: {', '.join(found)}")
    if any(w < 0 for w in changed.values()):
        raise ValueError(f"a weight is 0 or more, not {changed}")
    return found | {name: float(w) for name, w in changed.items()}


def make_matrix(
    advice: Advice, weights: Mapping[str, float], gamma: float = GAMMA, stored: Sequence[StoredReport] = ()
) -> Matrix:
    """`weights` by dimension; what the columns are says `shown`. `stored`: results of suites on this machine."""
    fits = select_columns(advice)
    names = tuple(f.candidate.name for f in fits)
    priced: dict[Kind, Costs] = {"measured": advice.costs, "published": rank_costs(fits, {}, advice.need, "memory")}
    rows = [_dimension_row(d, fits, advice, weights[d["name"]], stored) for d in presets()["dimension"]]
    sums = {kind: _totals([r for r in rows if r.kind == kind], names, priced[kind], gamma) for kind in KINDS}
    basis = {kind: priced[kind].basis for kind in KINDS}
    return Matrix(names, (*rows, *_facts(fits, advice, stored)), sums, gamma, basis)


def select_columns(advice: Advice) -> list[Feasibility]:
    """The columns: what is feasible and measured, and the first way of each other feasible member and thinking."""
    measured = [f for f in advice.feasible if f.candidate.name in advice.evidence.measured]
    first: dict[tuple[str, bool], Feasibility] = {}
    for f in (*measured, *advice.feasible):
        if f.candidate.spec and not f.candidate.own:
            first.setdefault((f.candidate.spec.name, f.candidate.think), f)
    return sorted([*measured, *(f for f in first.values() if f not in measured)], key=_place_in_line)


def _place_in_line(found: Feasibility) -> tuple[int, str, bool]:
    """extractive, then the family from the smallest up, each without and with thinking, then strangers."""
    one = found.candidate
    size = list(family()).index(one.spec.name) if one.spec else -1 if one.modelless else len(family())
    return size, one.name.removesuffix("+think"), one.think


def _totals(rows: Sequence[MatrixRow], names: Sequence[str], priced: Costs, gamma: float) -> tuple[Total, ...]:
    score = np.array([[math.nan if c.score is None else c.score for c in r.cells] for r in rows], float)
    return compute_totals(names, score, np.array([r.weight for r in rows], float), priced, gamma)


def _dimension_row(
    d: Mapping[str, Any], fits: Sequence[Feasibility], advice: Advice, weight: float, stored: Sequence[StoredReport]
) -> MatrixRow:
    if "suite" in d:
        there = suite_cells(d["suite"], d["headline"], [f.candidate for f in fits], list(advice.need.weights), stored)
        counted = any(c.score is not None for c in there)  # what nobody has is no gap in what is known
        return MatrixRow(d["name"], d["title"], d["kind"], weight if counted else 0.0, there)
    cells = [_measured_cell(d, f.candidate.name, advice) if d["kind"] == "measured" else _published_cell(d, f.candidate)
             for f in fits]  # fmt: skip
    return MatrixRow(d["name"], d["title"], d["kind"], weight, tuple(cells))


def _measured_cell(d: Mapping[str, Any], name: str, advice: Advice) -> Cell:
    found = advice.evidence.measured.get(name)
    if found is None:
        return UNKNOWN
    by = "a stand-in" if found.stand_in else ", ".join(found.models)
    if "figure" not in d:
        mean = advice.mix.means.get(name)
        if mean is None:
            return UNKNOWN
        said = f"{100 * mean.value:.1f} [{100 * mean.low:.1f}, {100 * mean.high:.1f}] n={mean.n}"
        return Cell("measured", said, by, mean.value)
    figure = found.figure(d["figure"])
    if figure.value is None or figure.interval is None:
        return UNKNOWN
    value, low, high = figure.value, figure.interval.low, figure.interval.high
    if d.get("less"):
        value, low, high = 1 - value, 1 - high, 1 - low
    return Cell("measured", f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}] n={figure.n}", by, value)


def suite_cells(
    suite: str, title: str, candidates: Sequence[Candidate], langs: Sequence[str], stored: Sequence[StoredReport]
) -> tuple[Cell, ...]:
    """A suite's write_headline for each candidate, from its latest result; unknown where there is none.

    Over exactly the languages wanted it counts; over others it is shown, with their number.
    """
    write_headline = next(h for h in HEADLINES if (h.probe, h.title) == (suite, title))

    def cell(wanted: Candidate) -> Cell:
        def same(name: str, one: StoredReport) -> bool:
            own = {n: CustomVariant(**c) for n, c in one.signature.get("own_variants", {}).items()}
            found = parse_candidate(name, own)
            return found.name == wanted.name or (found.key == wanted.key and not found.own and not wanted.own)

        if exact := find_metric(stored, write_headline, same, langs):
            return _suite_cell(exact, True)
        return _suite_cell(find_metric(stored, write_headline, same, langs, of_all_languages=True), False)

    return tuple(map(cell, candidates))


def _suite_cell(found: StoredMetric | None, exact: bool) -> Cell:
    if found is None:
        return UNKNOWN
    langs = "" if exact else f" ({len(found.report.langs)} languages)"
    score = found.figure.value if exact and isinstance(found.figure, MetricValue) else None
    return Cell("measured", found.text + langs, f"{found.source}: {', '.join(found.report.models)}", score)


def _published_cell(d: Mapping[str, Any], one: Candidate) -> Cell:
    """A fine-tune's base was published, not the fine-tune."""
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
    seconds = [_seconds(measured[f.candidate.name].p95) if f.candidate.name in measured else UNKNOWN for f in fits]
    speed = suite_cells("efficiency", "write tokens/s", [f.candidate for f in fits], (), stored)
    told = (
        ("memory", f"memory at {advice.need.context} tokens, GB", [_memory(f) for f in fits]),
        ("context", "longest context, tokens", [_spec(f, "context") for f in fits]),
        ("senses", "takes", [_spec(f, "modalities") for f in fits]),
        ("seconds", "seconds, p95", seconds),
        ("speed", "tokens written a second, one stream", speed),
        ("place", "runs", [Cell("computed", _place(f)) for f in fits]),
        ("price", "$ for a million tokens in / out", [_price(f) for f in fits]),
        ("licence", "licence", [_spec(f, "licence") for f in fits]),
    )
    return [MatrixRow(name, title, None, 0.0, tuple(cells)) for name, title, cells in told]


def _seconds(value: float | None) -> Cell:
    return UNKNOWN if value is None else Cell("measured", f"{value:.2f}")


def _memory(found: Feasibility) -> Cell:
    if found.candidate.place != "here":
        return Cell("computed", "0 (not here)")
    why = "published weights, computed caches (docs/variants.md)"
    return UNKNOWN if found.memory is None else Cell("computed", f"{found.memory:.1f}", why)


def _spec(found: Feasibility, name: str) -> Cell:
    if found.candidate.spec is None:
        return UNKNOWN
    value = getattr(found.candidate.spec, name)
    return Cell("published", ", ".join(value) if isinstance(value, tuple) else str(value), "model card")


def _place(found: Feasibility) -> str:
    return "on your machine" if found.candidate.place == "here" else presets()["offer"][found.candidate.place]["title"]


def _price(found: Feasibility) -> Cell:
    if found.candidate.place == "here":
        return Cell("computed", "0")
    source = presets()["offer"][found.candidate.place]["source"]
    return (
        Cell("published", "{:g} / {:g}".format(*found.dollars), source)
        if found.dollars
        else Cell("unknown", "–", source)
    )


def find_frontier(advice: Advice) -> list[str]:
    """The measured candidates that no other one beats in both mean and cost, from the cheapest up."""
    means = advice.mix.means
    priced = {n: v for n in means if (v := advice.costs.values.get(n)) is not None}
    kept, best = [], -1.0
    for name in sorted(priced, key=lambda n: (priced[n], -means[n].value)):
        if means[name].value > best:
            kept.append(name)
            best = means[name].value
    return kept


def list_sources(matrix: Matrix) -> list[str]:
    """Where published cells come from: dimension, source, and the value of each candidate that has one from there."""
    said = []
    for row in (r for r in matrix.rows if r.kind == "published"):
        found: dict[str, list[str]] = {}
        for name, c in zip(matrix.names, row.cells, strict=True):
            if c.source == "published":
                found.setdefault(c.why, []).append(f"{name} {c.said}")
        said += [f"{row.title}: {', '.join(values)} ({why})" for why, values in found.items()]
    return said
