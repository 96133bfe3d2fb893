"""Who answers a question: rules of an advice file, as values and one pure function. docs/choosing.md, section 8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlrag.languages import language
from mlrag.types import Route

LAST = "extractive"  # needs no model and costs nothing: who answers when nobody else may
LONG, BUSY, SPENT = "long", "busy", "budget"


@dataclass(frozen=True, slots=True)
class Step:
    """Who answers a group of questions. `origin` and `evidence` are the advice's words on why.

    `fallbacks`: in order, when it fails. `escalate`: whom to ask when its answer is refused. `lighter`: who stands in
    while its backend is busy. None: nobody.
    """

    variant: str
    origin: str = ""
    evidence: str = ""
    fallbacks: tuple[str, ...] = ()
    escalate: str | None = None
    lighter: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody it may ask."""
        return tuple(n for n in (self.variant, *self.fallbacks, self.escalate, self.lighter) if n)


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent; None: no limit. `p95_seconds`: of one question, which no escalation may pass.

    `calls`, `tokens` (read and written), `seconds` (of models) and `dollars` are those of one `window` (UTC);
    `dollars_per_1000` is what a thousand questions of a window may cost.
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
        """Is there anything that must be counted?"""
        return self.in_money or any(x is not None for x in (self.calls, self.tokens, self.seconds))

    @property
    def in_money(self) -> bool:
        return self.dollars is not None or self.dollars_per_1000 is not None


@dataclass(frozen=True, slots=True)
class Routes:
    """The installed rules. `long`: estimated tokens from which a question is long; `busy`: calls under way at a backend
    from which it is; None: never. `prices`: dollars for a million tokens in and out, 0 on this machine, absent where
    not known. `expected`: a question's seconds, where measured. `source`: the advice file."""

    default: Step
    tiers: Mapping[str, Step] = field(default_factory=dict)
    languages: Mapping[str, Step] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    long: int | None = None
    busy: int | None = None
    prices: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def steps(self) -> dict[str, Step]:
        """Every step under the name of its rule."""
        return {"default": self.default, **self.tiers, **self.languages}

    @property
    def names(self) -> tuple[str, ...]:
        """Every variant that may be asked, once."""
        return tuple(dict.fromkeys(name for step in self.steps.values() for name in step.names))

    def rule(self, lang: str) -> str:
        """The name of the step for a language: its own, that of its tier, or "default"."""
        tier = f"T{language(lang).tier}"
        return lang if lang in self.languages else tier if tier in self.tiers else "default"

    def step(self, rule: str) -> Step:
        return self.steps[rule.rpartition(":")[2]]


def decide(
    routes: Routes, lang: str, tokens: int, load: Callable[[str], int], affordable: Callable[[str], bool]
) -> Route:
    """Who is asked, and by which rule: "T4", or with a reason before it "long:T4", "busy:T4", "budget:T4".

    `tokens`: the question's length; `load`: calls under way at a variant's backend; `affordable`: is enough of the
    budget left for one call of it? A busy backend goes before length, what is left of the budget before both.
    """
    for route in _wanted(routes, routes.rule(lang), tokens, load):
        if route.variant == LAST or affordable(route.variant):
            return route
    return Route(LAST, f"{SPENT}:{routes.rule(lang)}")


def _wanted(routes: Routes, rule: str, tokens: int, load: Callable[[str], int]) -> Iterator[Route]:
    """The choices, first the one that would be taken with all the money in the world."""
    step = routes.steps[rule]
    busy = routes.busy is not None and load(step.variant) >= routes.busy
    if busy and step.lighter:
        yield Route(step.lighter, f"{BUSY}:{rule}")
    elif not busy and routes.long is not None and tokens >= routes.long and step.escalate:
        yield Route(step.escalate, f"{LONG}:{rule}")
    yield Route(step.variant, rule, step.escalate)
    for name in (step.lighter, *step.fallbacks):
        if name:
            yield Route(name, f"{SPENT}:{rule}")
