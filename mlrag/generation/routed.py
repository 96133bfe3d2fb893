"""The generator behind `auto` where a route is installed: it chooses by rule, pays, and asks a stronger one once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlrag.errors import GeneratorError, QuotaError
from mlrag.generation.base import ESCALATED, ESCALATION_FAILED, FollowUp, Generator, RejectedReply, Request, Rewriter
from mlrag.generation.budgeted import BudgetedGenerator, question_tokens
from mlrag.generation.fallback import Fallback
from mlrag.models.routing import LAST, Routes, decide
from mlrag.models.variants import with_thinking
from mlrag.state.budget import Ledger
from mlrag.types import Generation, Route, Usage, Warning


@dataclass(frozen=True, slots=True)
class VariantBackend:
    """A variant's generator, and how many calls are under way at its backend."""

    generator: Generator
    load: Callable[[], int]


class RoutedGenerator:
    """`make` gives the part behind a variant's name; `think`: everybody it asks thinks.

    An answer says `routed:RULE`. One that the checks refused is asked for once more, of the stronger variant where the
    route names one, and says `escalated:FROM>TO:PROBLEM`; else of the same one, and `not_escalated:REASON` says whether
    `time`, `busy` or `budget` forbade it. A stronger one that fails leaves the refused reply as it is, with
    `escalation_failed:TO:CODE`.
    """

    name = "route"

    def __init__(
        self, routes: Routes, make: Callable[[str], VariantBackend], ledger: Ledger, think: bool = False
    ) -> None:
        self._routes, self._make, self._ledger, self._think = routes, make, ledger, think
        self._parts: dict[str, VariantBackend] = {}

    def generate(self, request: Request) -> Generation:
        refused = request.refused
        before = refused.generation.route if refused else None
        if refused and before and before.rule.rpartition(":")[2] in self._routes.rules:  # not where the file changed
            return self._again(request, refused, before)
        if request.evidence.lang == request.lang.code:  # a look into other languages is no question of its own
            self._ledger.count_question()
        length = question_tokens(request.evidence.question)
        route = decide(self._routes, request.lang.code, length, self._load, lambda n: self._affords(n, request))
        return self._ask(route, request)

    def rewrite(self, follow_up: FollowUp) -> str:
        """By the variant that the question's language has."""
        generator = self._generator(self._routes.find_rule(self._routes.rule_name(follow_up.lang.code)).variant)
        return generator.rewrite(follow_up) if isinstance(generator, Rewriter) else ""

    def _ask(self, route: Route, request: Request, *notes: Warning) -> Generation:
        generator = self._generator(route.variant)
        for name in self._routes.find_rule(route.rule).fallbacks:
            if name != route.variant:
                generator = Fallback(generator, self._generator(name))
        generation = generator.generate(request)
        if any(w.code == "fallback" for w in generation.warnings):  # nobody is stronger than who stood in
            route = replace(route, escalate=None)
        return replace(generation, route=route, warnings=(*generation.warnings, Warning("routed", route.rule), *notes))

    def _again(self, request: Request, refused: RejectedReply, route: Route) -> Generation:
        target = route.escalate if refused.may_escalate else None
        if target is None:
            return self._retry(route, request, refused)
        until = self._until(request, refused)
        hindered = self._find_obstacle(target, replace(request, until=until))
        if hindered:
            return self._retry(route, request, refused, Warning("not_escalated", hindered))
        return self._escalate(route, target, replace(request, until=until), refused)

    def _escalate(self, route: Route, target: str, request: Request, refused: RejectedReply) -> Generation:
        try:
            generation = self._generator(target).generate(request)
        except GeneratorError as error:
            return _stays(refused, Warning(ESCALATION_FAILED, f"{target}:{error.code}"))
        escalated = Warning(ESCALATED, f"{route.variant}>{target}:{refused.problem.code}")
        notes = (Warning("routed", route.rule), escalated)
        return replace(generation, route=Route(target, route.rule), warnings=(*generation.warnings, *notes))

    def _retry(self, route: Route, request: Request, refused: RejectedReply, *notes: Warning) -> Generation:
        """The same one once more, told what was wrong; what it said already where not even that can be paid."""
        try:
            return self._ask(route, request, *notes)
        except QuotaError as error:
            return _stays(refused, *notes, Warning("not_retried", error.code))

    def _until(self, request: Request, refused: RejectedReply) -> float | None:
        """What the budget leaves of a question's seconds after the first call, within the deadline."""
        most = self._routes.budget.p95_seconds
        if most is None:
            return request.until
        end = time.monotonic() + most - (refused.generation.usage.seconds or 0.0)
        return end if request.until is None else min(end, request.until)

    def _find_obstacle(self, target: str, request: Request) -> str:
        """Why a stronger one may not be asked now; "" where it may."""
        expected = self._routes.expected.get(target, 0.0)
        if request.until is not None and request.until - time.monotonic() <= expected:
            return "time"
        if self._routes.busy is not None and self._load(target) >= self._routes.busy:
            return "busy"
        return "" if self._affords(target, request) else "budget"

    def _part(self, variant: str) -> VariantBackend:
        name = with_thinking(variant, "on") if self._think else variant
        if name not in self._parts:
            part = self._make(name)
            if name != LAST:
                price = self._routes.prices.get(with_thinking(name, "off"), (0.0, 0.0))
                part = replace(part, generator=BudgetedGenerator(part.generator, name, self._ledger, price))
            self._parts[name] = part
        return self._parts[name]

    def _generator(self, variant: str) -> Generator:
        return self._part(variant).generator

    def _load(self, variant: str) -> int:
        return self._part(variant).load()

    def _affords(self, variant: str, request: Request) -> bool:
        generator = self._generator(variant)
        return not isinstance(generator, BudgetedGenerator) or self._ledger.affords(generator.most(request))


def _stays(refused: RejectedReply, *notes: Warning) -> Generation:
    """The refused reply again, which cost nothing this time."""
    generation = refused.generation
    return replace(generation, usage=Usage(), warnings=(*generation.warnings, *notes))
