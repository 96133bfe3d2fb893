"""A generator whose calls are paid for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlrag.errors import GeneratorUnavailableError, QuotaError
from mlrag.generation.base import FollowUp, Generator, Request, Rewriter
from mlrag.generation.chat_generator import HISTORY_TOKENS, REPLY_TOKENS, REWRITE_TOKENS, THINKING_TOKENS
from mlrag.generation.prompts import build_messages, build_rewrite_messages
from mlrag.generation.token_estimate import estimate_tokens
from mlrag.state.budget import Cost, Ledger
from mlrag.types import Generation


def question_tokens(question: str) -> int:
    """A question's length, alike in every script."""
    return estimate_tokens(question)


@dataclass(slots=True)
class _Paid:
    """Tokens of one call: at first the most that they can be, at last what was counted."""

    read: int
    written: int


class BudgetedGenerator:
    """`price`: dollars for a million tokens in and out.

    What a backend does not count stays charged at the most that it can be (`estimate` for the prompt, all of the
    reply's room); a backend that could not be reached is charged the call alone. Raises QuotaError where the budget
    does not hold a call, before it is made.
    """

    def __init__(self, generator: Generator, variant: str, ledger: Ledger, price: tuple[float, float]) -> None:
        self.name = generator.name
        self._generator, self._variant, self._ledger, self._price = generator, variant, ledger, price
        self._room = REPLY_TOKENS + (THINKING_TOKENS if variant.endswith("+think") else 0)

    def generate(self, request: Request) -> Generation:
        with self._paying(_read(request), self._room, request.until) as paid:
            generation = self._generator.generate(request)
            usage = generation.usage
            paid.read = paid.read if usage.prompt_tokens is None else usage.prompt_tokens
            paid.written = paid.written if usage.output_tokens is None else usage.output_tokens
        return generation

    def rewrite(self, follow_up: FollowUp) -> str:
        """ "" where the budget does not hold it."""
        if not isinstance(self._generator, Rewriter):
            return ""
        bare = build_rewrite_messages(follow_up.lang, follow_up.question, ())
        read = sum(estimate_tokens(t.content) for t in bare) + HISTORY_TOKENS
        try:
            with self._paying(read, REWRITE_TOKENS, follow_up.until):
                return self._generator.rewrite(follow_up)
        except QuotaError:
            return ""

    def most(self, request: Request) -> Cost:
        """The most that answering can cost."""
        return self._cost(_Paid(_read(request), self._room), _seconds_left(request.until))

    @contextmanager
    def _paying(self, read: int, room: int, until: float | None) -> Iterator[_Paid]:
        paid = _Paid(read, room)
        reserved = self._ledger.reserve(self._variant, self._cost(paid, _seconds_left(until)))
        begun = time.monotonic()
        try:
            yield paid
        except GeneratorUnavailableError:
            paid.read = paid.written = 0
            raise
        finally:
            self._ledger.settle(reserved, self._cost(paid, time.monotonic() - begun))

    def _cost(self, paid: _Paid, seconds: float) -> Cost:
        dollars = (paid.read * self._price[0] + paid.written * self._price[1]) / 1e6
        return Cost(1, paid.read + paid.written, seconds, dollars)


def _seconds_left(until: float | None) -> float:
    return 0.0 if until is None else max(0.0, until - time.monotonic())


def _read(request: Request) -> int:
    asked = build_messages(request.lang, request.evidence.question, request.evidence.hits, request.firm)
    return sum(estimate_tokens(t.content) for t in asked)
