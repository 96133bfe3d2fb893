"""Which variant answers a question: the rules of an advice file as values, and one pure function.

See docs/choosing.md, section 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlrag.languages import language
from mlrag.types import Route

LAST = "extractive"  # the last resort: needs no model and costs nothing
LONG, BUSY, SPENT = "long", "busy", "budget"


@dataclass(frozen=True, slots=True)
class RouteRule:
    """The variant that answers a group of questions. `origin` and `evidence` are the advice's reasons.

    `fallbacks` are asked in order when it fails, `escalate` when its answer is refused, `lighter` while its backend
    is busy; None: no other variant.
    """

    variant: str
    origin: str = ""
    evidence: str = ""
    fallbacks: tuple[str, ...] = ()
    escalate: str | None = None
    lighter: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every variant that the rule may ask."""
        return tuple(n for n in (self.variant, *self.fallbacks, self.escalate, self.lighter) if n)


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on spending; None: no limit. `p95_seconds` is for one question: no escalation may exceed it.

    `calls`, `tokens` (read and written), `seconds` (of models) and `dollars` apply to one `window` (UTC);
    `dollars_per_1000` is the mean cost of a thousand questions of a window.
    """

    p95_seconds: float | None = None
    dollars_per_1000: float | None = None
    window: Literal["hour", "day"] = "day"
    calls: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    dollars: float | None = None

    @property
    def limited(self) -> bool:
        """Whether anything must be counted."""
        return self.in_money or any(x is not None for x in (self.calls, self.tokens, self.seconds))

    @property
    def in_money(self) -> bool:
        return self.dollars is not None or self.dollars_per_1000 is not None


@dataclass(frozen=True, slots=True)
class Routes:
    """The installed rules.

    `long`: estimated tokens from which a question is long; `busy`: running calls from which a backend is busy; None:
    never. `prices`: dollars for a million tokens in and out by variant, 0 on this machine, absent where unknown.
    `expected`: seconds a question by variant, where measured. `source`: the advice file.
    """

    default: RouteRule
    tiers: Mapping[str, RouteRule] = field(default_factory=dict)
    languages: Mapping[str, RouteRule] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    long: int | None = None
    busy: int | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def rules(self) -> dict[str, RouteRule]:
        """Every rule by name."""
        return {"default": self.default, **self.tiers, **self.languages}

    @property
    def names(self) -> tuple[str, ...]:
        """Every variant that may be asked, once."""
        return tuple(dict.fromkeys(name for rule in self.rules.values() for name in rule.names))

    def rule_name(self, lang: str) -> str:
        """Return the name of the rule for a language: its own, that of its tier, or "default"."""
        tier = f"T{language(lang).tier}"
        return lang if lang in self.languages else tier if tier in self.tiers else "default"

    def find_rule(self, name: str) -> RouteRule:
        """Return the rule that `Route.rule` names; a reason before the name ("busy:T4") is ignored."""
        return self.rules[name.rpartition(":")[2]]


def decide(
    routes: Routes, lang: str, tokens: int, load: Callable[[str], int], affordable: Callable[[str], bool]
) -> Route:
    """Return the variant to ask and its rule: "T4", or with a reason before it: "long:T4", "busy:T4", "budget:T4".

    A busy backend takes precedence over length, the rest of the budget over both.

    Args:
        tokens: the question's length.
        load: the running calls at a variant's backend.
        affordable: whether enough of the budget is left for one call of a variant.
    """
    for route in _list_candidates(routes, routes.rule_name(lang), tokens, load):
        if route.variant == LAST or affordable(route.variant):
            return route
    return Route(LAST, f"{SPENT}:{routes.rule_name(lang)}")


def _list_candidates(routes: Routes, name: str, tokens: int, load: Callable[[str], int]) -> Iterator[Route]:
    """The variants to consider, first the one for an unlimited budget, then cheaper ones."""
    rule = routes.rules[name]
    busy = routes.busy is not None and load(rule.variant) >= routes.busy
    if busy and rule.lighter:
        yield Route(rule.lighter, f"{BUSY}:{name}")
    elif not busy and routes.long is not None and tokens >= routes.long and rule.escalate:
        yield Route(rule.escalate, f"{LONG}:{name}")
    yield Route(rule.variant, name, rule.escalate)
    for variant in (rule.lighter, *rule.fallbacks):
        if variant:
            yield Route(variant, f"{SPENT}:{name}")
