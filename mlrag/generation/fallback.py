"""Generators that stand before others: one that chooses, one that falls back. The answer always says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlrag.errors import GeneratorError
from mlrag.generation.base import FollowUp, Generator, Request, Rewriter
from mlrag.types import Generation, Warning

_FRESH = 60.0  # seconds for which a choice stands


@dataclass(frozen=True, slots=True)
class AutoChoice:
    """Who answers, and one sentence why."""

    generator: Generator
    reason: str


class Auto:
    """Asks whoever `choose` names; the choice is made at the first question, again a minute later, and at once when
    `version` gives something else than at the choice before."""

    name = "auto"

    def __init__(self, choose: Callable[[], AutoChoice], version: Callable[[], object] = lambda: None) -> None:
        self._choose, self._version = choose, version
        self._chosen: AutoChoice | None = None
        self._at = 0.0
        self._of: object = None

    def generate(self, request: Request) -> Generation:
        chosen = self._current()
        generation = chosen.generator.generate(request)
        if generation.route:  # a route says itself which rule chose
            return generation
        return replace(generation, warnings=(*generation.warnings, Warning("auto", chosen.reason)))

    def rewrite(self, follow_up: FollowUp) -> str:
        generator = self._current().generator
        return generator.rewrite(follow_up) if isinstance(generator, Rewriter) else ""

    def _current(self) -> AutoChoice:
        version = self._version()
        if self._chosen is None or version != self._of or time.monotonic() - self._at > _FRESH:
            self._chosen, self._at, self._of = self._choose(), time.monotonic(), version
        return self._chosen


class Fallback:
    """`first`, or `second` where the first fails; the answer carries `fallback:NAME:CODE`."""

    def __init__(self, first: Generator, second: Generator) -> None:
        self.name = first.name
        self._first, self._second = first, second

    def generate(self, request: Request) -> Generation:
        try:
            return self._first.generate(request)
        except GeneratorError as error:
            generation = self._second.generate(request)
            note = Warning("fallback", f"{self._second.name}:{error.code}")
            return replace(generation, warnings=(*generation.warnings, note))

    def rewrite(self, follow_up: FollowUp) -> str:
        """ "" where the first fails: the second, a generator without a model, does without."""
        try:
            return self._first.rewrite(follow_up) if isinstance(self._first, Rewriter) else ""
        except GeneratorError:
            return ""
