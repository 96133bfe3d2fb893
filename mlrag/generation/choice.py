"""Generators that stand before others: one that chooses, one that falls back. The answer always says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlrag.errors import GeneratorError
from mlrag.generation.base import Generator, Request
from mlrag.records import Generation

_FRESH = 60.0  # seconds for which a choice stands


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who answers, and one sentence why."""

    generator: Generator
    reason: str


class Auto:
    """Asks whoever `choose` names; the choice is made at the first question and again a minute later."""

    name = "auto"

    def __init__(self, choose: Callable[[], Chosen]) -> None:
        self._choose = choose
        self._chosen: Chosen | None = None
        self._at = 0.0

    def generate(self, request: Request) -> Generation:
        if self._chosen is None or time.monotonic() - self._at > _FRESH:
            self._chosen, self._at = self._choose(), time.monotonic()
        generation = self._chosen.generator.generate(request)
        return replace(generation, warnings=(*generation.warnings, f"auto:{self._chosen.reason}"))


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
            note = f"fallback:{self._second.name}:{error.code}"
            return replace(generation, warnings=(*generation.warnings, note))
