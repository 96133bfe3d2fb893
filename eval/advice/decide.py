"""Decide from requirements, hardware and evidence: for the mix, each tier and each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eval.advice.constraints import Candidate, Feasibility, check_candidate, list_candidates, parse_candidate
from eval.advice.decision_rule import Ruling, compute_mean, decide
from eval.advice.evidence import CandidateResults, RunEvidence, compare
from eval.advice.need import COSTS, Requirements, TargetHardware, normalize_weights
from eval.advice.published import PublishedRanking, list_excluded_members, rank_published
from eval.advice.totals import Costs, price, rank_costs
from eval.results.groups import by_tier
from mlrag.models.variants import CustomVariant

Status = Literal["measured", "cannot tell", "one measured", "nothing measured"]
MIX = "mix"
_MARGINS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)


@dataclass(frozen=True, slots=True)
class Mean:
    """A candidate's proportion of right replies in a group, with its 95 % interval, over n rows."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """The decision for one group (the mix, a tier, a language).

    Args:
        chosen: None where the rule cannot decide.
        leading: the candidate with the highest mean, to be used until then.
        asked: questions by language that were compared.
        more: questions by language that would decide with 80 % power if the differences stay as they are.
    """

    group: str
    weights: Mapping[str, float]
    status: Status
    chosen: str | None
    leading: str | None
    runner_up: str | None
    ruling: Ruling | None
    means: Mapping[str, Mean]
    left_out: Mapping[str, str]
    asked: Mapping[str, int]
    more: Mapping[str, int]
    n: int


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole advice. `fits`: every candidate, feasible or not; `unmeasured`: feasible members without a run."""

    need: Requirements
    machine: TargetHardware
    evidence: RunEvidence
    fits: tuple[Feasibility, ...]
    costs: Costs
    lines: tuple[GroupDecision, ...]
    published: PublishedRanking
    unmeasured: tuple[str, ...]
    flips: tuple[str, ...]

    @property
    def mix(self) -> GroupDecision:
        return self.lines[0]

    @property
    def choice(self) -> str | None:
        """The variant to run now: chosen by the rule, else leading in measurements, else the best published."""
        return self.mix.chosen or self.mix.leading or self.published.chosen

    @property
    def feasible(self) -> tuple[Feasibility, ...]:
        return tuple(f for f in self.fits if f.feasible)

    @property
    def stand_ins(self) -> tuple[str, ...]:
        return tuple(n for n, m in self.evidence.measured.items() if m.stand_in)


def advise(
    need: Requirements, machine: TargetHardware, evidence: RunEvidence, own: Mapping[str, CustomVariant] | None = None
) -> Advice:
    """Check feasibility, apply the rule to what was measured, and rank what was published next to it.

    Args:
        own: the user's own variants, which are candidates too.
    """
    fits = _fits(need, machine, evidence, own or {})
    feasible = [f.candidate.name for f in fits if f.feasible]
    there = {name: evidence.measured[name] for name in feasible if name in evidence.measured}
    priced = rank_costs([f for f in fits if f.candidate.name in there], there, need)
    lines = tuple(
        _decide_group(group, weights, there, priced, need) for group, weights in _groups(need.weights).items()
    )
    choice = rank_published(fits, tuple(need.weights))
    unmeasured = _list_unmeasured(fits, there)
    flips = [*_by_margin(lines[0], there, fits, need), *_by_cost(lines[0], there, fits, need), *_by_language(lines)]
    flips += _by_admission(lines[0], evidence.measured, fits, need)
    flips += [] if lines[0].means else list_excluded_members(fits, choice.chosen)
    shown = priced if there else rank_costs([f for f in fits if f.feasible], {}, need)
    return Advice(need, machine, evidence, fits, shown, lines, choice, unmeasured, tuple(flips))


def _fits(
    need: Requirements, machine: TargetHardware, evidence: RunEvidence, own: Mapping[str, CustomVariant]
) -> tuple[Feasibility, ...]:
    """Check the measured candidates, then the user's own, then all others."""
    measured = {m.candidate.key: m for m in evidence.measured.values()}
    others = [*(parse_candidate(name, own) for name in own), *list_candidates()]
    fits = []
    for one in [*(m.candidate for m in measured.values()), *(c for c in others if c.key not in measured)]:
        m = measured.get(one.key)
        fits.append(check_candidate(one, need, machine, m.p95 if m else None, price(one, m)))
    return tuple(fits)


def _groups(weights: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """Return the weights of the mix, its tiers if several, and the languages of a tier with several."""
    tiers = by_tier(weights)
    groups: dict[str, Mapping[str, float]] = {MIX: weights}
    if len(tiers) > 1:
        groups |= {tier: normalize_weights({lang: weights[lang] for lang in langs}) for tier, langs in tiers.items()}
    return groups | {lang: {lang: 1.0} for langs in tiers.values() if len(langs) > 1 for lang in langs}


def _decide_group(
    group: str, weights: Mapping[str, float], there: Mapping[str, CandidateResults], priced: Costs, need: Requirements
) -> GroupDecision:
    comparison = compare(there, weights, need.answerable)
    if comparison.table is None:
        return GroupDecision(
            group, weights, "nothing measured", None, None, None, None, {}, comparison.left_out, {}, {}, 0
        )
    table = comparison.table
    means = {name: Mean(*compute_mean(table, number), comparison.n) for number, name in enumerate(table.names)}
    asked = comparison.count_questions(dict(enumerate(np.bincount(table.stratum).tolist())))
    measured = (means, comparison.left_out, asked)
    if len(means) == 1:
        return GroupDecision(
            group, weights, "one measured", None, table.names[0], None, None, *measured, {}, comparison.n
        )
    ruling = decide(table, [priced.ranks[n] for n in table.names], need.margin)
    status: Status = "measured" if ruling.chosen else "cannot tell"
    second = _runner_up(ruling, priced)
    more = {lang: n for lang, n in comparison.count_questions(ruling.more).items() if n}
    return GroupDecision(
        group, weights, status, ruling.chosen, ruling.leader, second, ruling, *measured, more, comparison.n
    )


def _runner_up(ruling: Ruling, priced: Costs) -> str | None:
    """Return the next cheapest within the margin, else the highest mean among the others."""
    first = ruling.chosen or ruling.leader
    others = [s for s in ruling.ranking if s.name != first]
    within = [s.name for s in others if s.within]
    if within:
        return min(within, key=lambda n: priced.ranks[n])
    return max(others, key=lambda s: s.mean).name if others else None


def _list_unmeasured(fits: Sequence[Feasibility], there: Mapping[str, CandidateResults]) -> tuple[str, ...]:
    """List what is feasible and not measured: extractive, each member (with and without thinking), the user's own."""
    seen = {_member(m.candidate) for m in there.values()}
    unmeasured = []
    for f in fits:
        one = f.candidate
        if f.feasible and (one.spec or one.modelless) and _member(one) not in seen:
            seen.add(_member(one))
            unmeasured.append(one.name)
    return tuple(unmeasured)


def _member(one: Candidate) -> tuple[str, bool]:
    """Return the family member, whatever its backend; a fine-tune counts as itself."""
    return one.name if one.own or not one.spec else one.spec.name, one.think


def _by_margin(
    mix: GroupDecision, there: Mapping[str, CandidateResults], fits: Sequence[Feasibility], need: Requirements
) -> list[str]:
    if mix.ruling is None:
        return []
    table = compare(there, mix.weights, need.answerable).table
    priced = rank_costs([f for f in fits if f.candidate.name in there], there, need)
    assert table is not None
    changes, last = [], mix.chosen
    for margin in (m for m in _MARGINS if m > need.margin):
        chosen = decide(table, [priced.ranks[n] for n in table.names], margin).chosen
        if chosen and chosen != last:
            changes.append(f"at a margin of {100 * margin:g} points it would be {chosen}")
            last = chosen
    return changes


def _by_cost(
    mix: GroupDecision, there: Mapping[str, CandidateResults], fits: Sequence[Feasibility], need: Requirements
) -> list[str]:
    if mix.ruling is None or not mix.chosen:
        return []
    within = [s.name for s in mix.ruling.ranking if s.within]
    changes = []
    for basis in COSTS:
        priced = rank_costs([f for f in fits if f.candidate.name in there], there, need, basis)
        if all(priced.values[n] is not None for n in within):
            first = min(within, key=lambda n: priced.ranks[n])
            if first != mix.chosen:
                changes.append(f"counted in {basis}, {first} is the cheapest within the margin")
    return changes


def _by_language(lines: Sequence[GroupDecision]) -> list[str]:
    first = lines[0].chosen
    others = [x for x in lines[1:] if x.chosen and x.chosen != first]
    return [f"for {line.group} alone it is {line.chosen}" for line in others]


def _by_admission(
    mix: GroupDecision, measured: Mapping[str, CandidateResults], fits: Sequence[Feasibility], need: Requirements
) -> list[str]:
    """Name excluded candidates with more right replies than the choice on the same rows."""
    changes = []
    for f in fits:
        name, chosen = f.candidate.name, mix.chosen or mix.leading
        if f.feasible or name not in measured or chosen is None:
            continue
        table = compare({n: measured[n] for n in (chosen, name)}, mix.weights, need.answerable).table
        if table is None or len(table.names) < 2:
            continue
        of_choice, other = (compute_mean(table, number)[0] for number in (0, 1))
        if other > of_choice:
            change = " and ".join(o.change for o in f.obstacles)
            changes.append(
                f"{name}, excluded, had {100 * other:.1f} against {100 * of_choice:.1f}; it would take: {change}"
            )
    return changes
