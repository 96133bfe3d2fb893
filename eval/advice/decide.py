"""From wishes, machine and evidence to the advice: a choice for the mix, each tier and each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eval.advice.constraints import Candidate, Feasibility, check_candidate, list_candidates, parse_candidate
from eval.advice.decision_rule import Ruling, compute_mean, decide
from eval.advice.evidence import CandidateResults, RunEvidence, compare
from eval.advice.need import COSTS, Requirements, TargetHardware
from eval.advice.published import PublishedRanking, list_excluded_members, rank_published
from eval.advice.totals import Costs, price, rank_costs
from mlrag.languages import language
from mlrag.models.variants import CustomVariant

Status = Literal["measured", "cannot tell", "one measured", "nothing measured"]
MIX = "mix"
_MARGINS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)


@dataclass(frozen=True, slots=True)
class Mean:
    """A candidate's share of right replies in a group, with its 95 % interval, over n rows."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """The rule's word on one group (the mix, a tier, a language).

    `chosen` only where the rule stands behind it; `leading` has the highest mean, and stands in until then. `asked`:
    questions by language behind it; `more`: those that would settle it with 80 % power if differences stay as seen.
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
    """All of it. `fits` holds every candidate, feasible or not; `unmeasured`: feasible family members nobody asked."""

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
        """Who to run now: what the rule chose, else who leads what was measured, else the best published."""
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
    """Feasibility first, then the rule among what was measured; what was published stands beside it. `own`: the
    user's own names, which are candidates too."""
    fits = _fits(need, machine, evidence, own or {})
    there = {n: evidence.measured[n] for n in _feasible_names(fits) if n in evidence.measured}
    priced = rank_costs([f for f in fits if f.candidate.name in there], there, need)
    lines = tuple(_line(group, weights, there, priced, need) for group, weights in _groups(need.weights).items())
    choice = rank_published(fits, tuple(need.weights))
    unmeasured = _unmeasured(fits, there)
    flips = [*_flips(lines, there, fits, need), *_by_admission(lines[0], evidence.measured, fits, need)]
    flips += [] if lines[0].means else list_excluded_members(fits, choice.chosen)
    shown = priced if there else rank_costs([f for f in fits if f.feasible], {}, need)
    return Advice(need, machine, evidence, fits, shown, lines, choice, unmeasured, tuple(flips))


def _fits(
    need: Requirements, machine: TargetHardware, evidence: RunEvidence, own: Mapping[str, CustomVariant]
) -> tuple[Feasibility, ...]:
    """The measured ones first, then the user's own, then every other way."""
    measured = {m.candidate.key: m for m in evidence.measured.values()}
    others = [*(parse_candidate(name, own) for name in own), *list_candidates()]
    ways = [m.candidate for m in measured.values()] + [c for c in others if c.key not in measured]
    found = []
    for one in ways:
        m = measured.get(one.key)
        found.append(check_candidate(one, need, machine, m.p95 if m else None, price(one, m)))
    return tuple(found)


def _feasible_names(fits: Sequence[Feasibility]) -> list[str]:
    return [f.candidate.name for f in fits if f.feasible]


def _groups(weights: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """The mix, its tiers where there are several, and the languages of what holds several."""
    tiers: dict[str, dict[str, float]] = {}
    for lang, weight in weights.items():
        tiers.setdefault(f"T{language(lang).tier}", {})[lang] = weight
    scaled = {t: {x: w / sum(found.values()) for x, w in found.items()} for t, found in sorted(tiers.items())}
    groups: dict[str, Mapping[str, float]] = {MIX: weights}
    groups |= scaled if len(scaled) > 1 else {}
    return groups | {lang: {lang: 1.0} for found in tiers.values() if len(found) > 1 for lang in found}


def _line(
    group: str, weights: Mapping[str, float], there: Mapping[str, CandidateResults], priced: Costs, need: Requirements
) -> GroupDecision:
    found = compare(there, weights, need.answerable)
    if found.table is None:
        return GroupDecision(group, weights, "nothing measured", None, None, None, None, {}, found.left_out, {}, {}, 0)
    table = found.table
    means = {name: Mean(*compute_mean(table, place), found.n) for place, name in enumerate(table.names)}
    asked = found.asked(dict(enumerate(np.bincount(table.stratum).tolist())))
    known = (means, found.left_out, asked)
    if len(means) == 1:
        return GroupDecision(group, weights, "one measured", None, table.names[0], None, None, *known, {}, found.n)
    ruling = decide(table, [priced.ranks[n] for n in table.names], need.margin)
    status: Status = "measured" if ruling.chosen else "cannot tell"
    second = _runner_up(ruling, priced)
    more = {lang: n for lang, n in found.asked(ruling.more).items() if n}
    return GroupDecision(group, weights, status, ruling.chosen, ruling.leader, second, ruling, *known, more, found.n)


def _runner_up(ruling: Ruling, priced: Costs) -> str | None:
    """The next cheapest that is within the margin too, else the highest mean among the others."""
    first = ruling.chosen or ruling.leader
    others = [s for s in ruling.standings if s.name != first]
    within = [s.name for s in others if s.within]
    if within:
        return min(within, key=lambda n: priced.ranks[n])
    return max(others, key=lambda s: s.mean).name if others else None


def _unmeasured(fits: Sequence[Feasibility], there: Mapping[str, CandidateResults]) -> tuple[str, ...]:
    """Who is feasible and was not asked: extractive, each member and thinking in its first way, the user's own."""
    seen = {_member(m.candidate) for m in there.values()}
    found = []
    for f in fits:
        one = f.candidate
        if f.feasible and (one.spec or one.modelless) and _member(one) not in seen:
            seen.add(_member(one))
            found.append(one.name)
    return tuple(found)


def _member(one: Candidate) -> tuple[str, bool]:
    """What is one and the same however it is run; a fine-tune is itself."""
    return one.name if one.own or not one.spec else one.spec.name, one.think


def _flips(
    lines: Sequence[GroupDecision],
    there: Mapping[str, CandidateResults],
    fits: Sequence[Feasibility],
    need: Requirements,
) -> tuple[str, ...]:
    """What would change the choice for the mix, each in one sentence."""
    return (*_by_margin(lines[0], there, fits, need), *_by_cost(lines[0], there, fits, need), *_by_language(lines))


def _by_margin(
    mix: GroupDecision, there: Mapping[str, CandidateResults], fits: Sequence[Feasibility], need: Requirements
) -> list[str]:
    if mix.ruling is None:
        return []
    table = compare(there, mix.weights, need.answerable).table
    priced = rank_costs([f for f in fits if f.candidate.name in there], there, need)
    assert table is not None
    said, last = [], mix.chosen
    for margin in (m for m in _MARGINS if m > need.margin):
        chosen = decide(table, [priced.ranks[n] for n in table.names], margin).chosen
        if chosen and chosen != last:
            said.append(f"at a margin of {100 * margin:g} points it would be {chosen}")
            last = chosen
    return said


def _by_cost(
    mix: GroupDecision, there: Mapping[str, CandidateResults], fits: Sequence[Feasibility], need: Requirements
) -> list[str]:
    if mix.ruling is None or not mix.chosen:
        return []
    within = [s.name for s in mix.ruling.standings if s.within]
    said = []
    for basis in COSTS:
        priced = rank_costs([f for f in fits if f.candidate.name in there], there, need, basis)
        if all(priced.values[n] is not None for n in within):
            first = min(within, key=lambda n: priced.ranks[n])
            if first != mix.chosen:
                said.append(f"counted in {basis}, {first} is the cheapest within the margin")
    return said


def _by_language(lines: Sequence[GroupDecision]) -> list[str]:
    first = lines[0].chosen
    others = [x for x in lines[1:] if x.chosen and x.chosen != first]
    return [f"for {line.group} alone it is {line.chosen}" for line in others]


def _by_admission(
    mix: GroupDecision, measured: Mapping[str, CandidateResults], fits: Sequence[Feasibility], need: Requirements
) -> list[str]:
    """The excluded that got more right than the choice on the same rows, with the change that admits them."""
    said = []
    for f in fits:
        name, chosen = f.candidate.name, mix.chosen or mix.leading
        if f.feasible or name not in measured or chosen is None:
            continue
        table = compare({n: measured[n] for n in (chosen, name)}, mix.weights, need.answerable).table
        if table is None or len(table.names) < 2:
            continue
        mine, other = (compute_mean(table, place)[0] for place in (0, 1))
        if other > mine:
            change = " and ".join(o.change for o in f.obstacles)
            said.append(f"{name}, excluded, had {100 * other:.1f} against {100 * mine:.1f}; it would take: {change}")
    return said
