"""advice.json, in the schema of docs/choosing.md; its `route` can be followed by a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from eval.advice import wording
from eval.advice.decide import MIX, Advice, GroupDecision
from eval.advice.matrix import Matrix, find_frontier
from eval.results.groups import tier_name
from eval.results.jsonable import to_jsonable

SCHEMA = "mlrag.advice/1"


def as_json(advice: Advice, matrix: Matrix, made: Mapping[str, Any]) -> Any:
    """Return the advice as plain values. `made`: the scenario, regime and weights that it was asked with."""
    return to_jsonable(
        {
            "schema": SCHEMA,
            "made": made,
            "stand_ins": list(advice.stand_ins),
            "runs": list(advice.evidence.runs),
            "need": asdict(advice.need),
            "machine": asdict(advice.machine),
            "status": advice.mix.status,
            "choice": advice.choice,
            "runner_up": advice.mix.runner_up or advice.published.runner_up,
            "headline": wording.write_headline(advice),
            "cautions": list(wording.list_cautions(advice)),
            "flips": list(advice.flips),
            "commands": list(wording.list_next_steps(advice)),
            "route": make_route(advice),
            "lines": [_line(line) for line in advice.lines],
            "published": asdict(advice.published),
            "feasibility": [_fit(f) for f in advice.fits],
            "costs": {"basis": advice.costs.basis, "values": dict(advice.costs.values)},
            "frontier": find_frontier(advice),
            "matrix": _matrix(matrix),
        }
    )


def make_route(advice: Advice) -> dict[str, Any]:
    """Return the variants by default, tier and language, with fallbacks and escalation."""
    by_group = {line.group: line for line in advice.lines}
    default = _step(by_group[MIX], advice, None)
    tiers = {t: _step(by_group.get(t), advice, default) for t in sorted({tier_name(x) for x in advice.need.weights})}
    langs = {x: _step(by_group.get(x), advice, tiers[tier_name(x)]) for x in advice.need.weights}
    budget = {"p95_seconds": advice.need.p95, "dollars_per_1000": advice.need.budget}
    return {"default": default, "tiers": tiers, "languages": langs, "budget": budget}


def _step(line: GroupDecision | None, advice: Advice, wider: dict[str, Any] | None) -> dict[str, Any]:
    """Return the group's choice where the rule decided, else the step of the wider group."""
    if wider is not None and (line is None or line.chosen is None):
        return wider
    name = (line.chosen if line else None) or advice.choice
    status = line.status if line and line.status != "nothing measured" else "published"
    group = line.group if line else MIX
    return {
        "variant": name,
        "thinking": bool(name and name.endswith("+think")),
        "evidence": status,
        "from": group,
        "fallbacks": _fallbacks(name, advice),
        "escalate": _escalation(name, line, advice),
        "lighter": _lighter(name, line, advice),
    }


def _fallbacks(name: str | None, advice: Advice) -> list[str]:
    """Return what to try on failure: the next best at another backend, then extractive, which needs no server."""
    backend = {f.candidate.name: f.candidate.key[0] for f in advice.feasible}
    means = advice.mix.means
    others = [n for n in means if n != name and backend[n] not in (backend.get(name or ""), "extractive")]
    found = sorted(others, key=lambda n: -means[n].value)[:1]
    return [*found, *(["extractive"] if "extractive" in backend and name != "extractive" else [])]


def _escalation(name: str | None, line: GroupDecision | None, advice: Advice) -> str | None:
    """Return the best costlier measured variant, to ask when `name` abstains or fails a check."""
    if line is None or name is None or name not in line.means:
        return None
    ranks, means = advice.costs.ranks, line.means
    dearer = [n for n in means if ranks[n] > ranks[name] and means[n].value > means[name].value]
    return max(dearer, key=lambda n: means[n].value) if dearer else None


def _lighter(name: str | None, line: GroupDecision | None, advice: Advice) -> str | None:
    """Return the best cheaper measured variant, to use while `name` is busy."""
    if line is None or name is None or name not in line.means:
        return None
    ranks, means = advice.costs.ranks, line.means
    cheaper = [n for n in means if ranks[n] < ranks[name]]
    return max(cheaper, key=lambda n: means[n].value) if cheaper else None


def _line(line: GroupDecision) -> dict[str, Any]:
    ranking = [asdict(s) | {"within": s.within} for s in line.ruling.ranking] if line.ruling else []
    return {
        "group": line.group,
        "weights": dict(line.weights),
        "status": line.status,
        "chosen": line.chosen,
        "leading": line.leading,
        "runner_up": line.runner_up,
        "rows": line.n,
        "means": {n: asdict(m) for n, m in line.means.items()},
        "ranking": ranking,
        "left_out": dict(line.left_out),
        "more": dict(line.more),
        "command": wording.command_to_decide(line),
    }


def _fit(found: Any) -> dict[str, Any]:
    one = found.candidate
    return {
        "variant": one.name,
        "base": one.spec.name if one.spec else None,
        "quantisation": one.quantisation,
        "place": one.location,
        "thinking": one.think,
        "feasible": found.feasible,
        "memory_gb": found.memory,
        "disk_gb": found.disk,
        "dollars": found.dollars,
        "obstacles": [asdict(o) for o in found.obstacles],
        "notes": list(found.notes),
    }


def _matrix(matrix: Matrix) -> dict[str, Any]:
    rows = [
        {
            "name": r.name,
            "title": r.title,
            "kind": r.kind,
            "weight": r.weight,
            "cells": dict(zip(matrix.names, map(asdict, r.cells), strict=True)),
        }
        for r in matrix.rows
    ]
    totals = {kind: [asdict(t) for t in found] for kind, found in matrix.totals.items()}
    return {
        "variants": list(matrix.names),
        "gamma": matrix.gamma,
        "cost": dict(matrix.basis),
        "rows": rows,
        "totals": totals,
    }
