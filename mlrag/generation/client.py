"""A model called with care: deadlines, a bounded number of retries, a circuit breaker, limits a backend."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import TYPE_CHECKING

import stamina
from pybreaker import CircuitBreaker, CircuitBreakerError

from mlrag.errors import (
    BrokenReplyError,
    GeneratorBusyError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    MissingModelError,
    QuotaError,
    UnfinishedReplyError,
)
from mlrag.generation.backends.base import Call, ChatModel, CompletionChunk, Finish, TextScorer, Timeouts
from mlrag.state.rate_limit import InProcessRateLimiter, RateLimiter

if TYPE_CHECKING:
    from limits import RateLimitItem

logging.getLogger("stamina").addHandler(logging.NullHandler())  # a retry is in the answer's time, not on the screen

ATTEMPTS = 3
_FAILURES, _REST = 5, 30.0  # so many failures in a row, and the backend is left alone for so many seconds

_Queue = SimpleQueue[CompletionChunk | Finish | BaseException | None]
Watch = Callable[[str], bool]  # the text so far -> "that is enough"; may raise GeneratorError or StoppedError
_TICK = CompletionChunk()  # says that nothing came for a while
_TICK_SECONDS = 0.5
Waiting = Callable[[], object]


def _patient() -> None:
    """Nobody minds the wait."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole reply. `finish` is None where a watch stopped it. Seconds are wall time of the last attempt."""

    text: str
    thinking: str
    finish: Finish | None
    first_seconds: float
    seconds: float


def _a_minute(count: int) -> RateLimitItem:
    from limits import RateLimitItemPerMinute

    return RateLimitItemPerMinute(count)


class BackendLimits:
    """What all calls to one backend share: how many at once, how many a minute, and whether it is left alone.

    `rates`: where calls a minute are counted; in this process without.
    """

    def __init__(
        self, host: str, concurrency: int = 4, per_minute: int | None = None, rates: RateLimiter | None = None
    ) -> None:
        self.host = host
        self._slots = BoundedSemaphore(concurrency)
        self._inside = 0
        self._counting = Lock()
        self._rate = _a_minute(per_minute) if per_minute else None
        self._window = rates or InProcessRateLimiter()
        self._breaker = CircuitBreaker(_FAILURES, _REST, exclude=[_callers_own], throw_new_error_on_trip=False)

    @contextmanager
    def enter(self, until: float, waiting: Waiting = _patient) -> Iterator[None]:
        """One place at the backend. Raises GeneratorBusyError when none comes free before `until` (monotonic).

        `waiting` is called every half second meanwhile; what it raises ends the wait.
        """
        with self._count_call(), self._place(until, waiting):
            yield

    @property
    def load(self) -> int:
        """Calls that run or wait here now."""
        return self._inside

    @contextmanager
    def _count_call(self) -> Iterator[None]:
        with self._counting:
            self._inside += 1
        try:
            yield
        finally:
            with self._counting:
                self._inside -= 1

    @contextmanager
    def _place(self, until: float, waiting: Waiting) -> Iterator[None]:
        self._await_slot(until, waiting)
        try:
            self._await_turn(until, waiting)
            with self._breaker.calling():
                yield
        except CircuitBreakerError as error:
            raise GeneratorUnavailableError(
                f"{self.host or 'the model'} failed {_FAILURES} times in a row and is left alone for {_REST:.0f} s"
            ) from error
        finally:
            self._slots.release()

    def _await_slot(self, until: float, waiting: Waiting) -> None:
        while not self._slots.acquire(timeout=max(0.0, min(_TICK_SECONDS, until - time.monotonic()))):
            if time.monotonic() >= until:
                raise _FullError(f"too many questions at once for {self.host or 'the model'}", "ask again soon")
            waiting()

    def _await_turn(self, until: float, waiting: Waiting) -> None:
        while self._rate and not self._window.hit(self._rate, self.host):
            opens = self._window.opens_in(self._rate, self.host)
            if time.monotonic() + opens > until:
                raise _FullError(
                    f"the rate limit for {self.host} is used up for {opens:.0f} s", "ask again then", opens
                )
            time.sleep(min(_TICK_SECONDS, max(0.01, opens)))
            waiting()


class _FullError(GeneratorBusyError):
    """Our own limit, waited for already: retrying would wait again."""

    retryable = False


def _callers_own(error: BaseException) -> bool:
    """Faults that say nothing about the backend's health: only what a sick backend does opens the breaker."""
    if isinstance(error, MissingModelError | QuotaError | _FullError):
        return True
    return not isinstance(error, GeneratorUnavailableError | GeneratorTimeoutError | BrokenReplyError)


class ModelClient:
    """One model behind its gate. Nothing outlives the deadline by more than a scheduler's breath."""

    def __init__(self, model: ChatModel, gate: BackendLimits, timeouts: Timeouts) -> None:
        self.model = model
        self.timeouts = timeouts
        self._gate = gate

    @property
    def load(self) -> int:
        """Calls that run or wait at the backend now, whoever made them."""
        return self._gate.load

    def reply(self, call: Call, watch: Watch | None = None, until: float | None = None) -> Completion:
        """The whole reply. `until` (monotonic seconds) may shorten the deadline. Raises GeneratorError."""
        end = min(until or float("inf"), time.monotonic() + self.timeouts.total)

        def backoff(error: Exception) -> bool | float:
            if not getattr(error, "retryable", False):
                return False
            asked: float | None = getattr(error, "retry_after", None)
            left = end - time.monotonic()
            return left > 1.0 if asked is None else (asked if asked < left else False)

        for attempt in stamina.retry_context(
            on=backoff, attempts=ATTEMPTS, timeout=None, wait_initial=0.1, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt, self._gate.enter(end, (lambda: watch("")) if watch else _patient):
                return self._once(call, watch, end)
        raise AssertionError("stamina lets the last error through")

    def log_likelihoods(self, call: Call, texts: Sequence[str]) -> list[float]:
        """ln P of each text as the reply, as `TextScorer` has it.

        Raises GeneratorError; GeneratorUnavailableError for a backend that cannot tell.
        """
        if not isinstance(self.model, TextScorer):
            raise GeneratorUnavailableError(
                f"{self.model.name} does not tell how likely a given text is", "take a llamacpp:PATH.gguf"
            )
        end = time.monotonic() + self.timeouts.total
        with self._gate.enter(end):
            return self.model.log_likelihoods(call, texts, end)

    def _once(self, call: Call, watch: Watch | None, end: float) -> Completion:
        begun = time.monotonic()
        left = end - begun
        if left <= 0:
            raise GeneratorTimeoutError(f"no time was left to ask {self.model.name}", "set MLRAG_TIMEOUT higher")
        limits = replace(self.timeouts, connect=min(self.timeouts.connect, left), total=left)
        text, thinking, first, finish = "", "", 0.0, None
        with closing(enforce_timeouts(self.model.stream(call, limits), limits, self.model.name)) as pieces:
            for piece in pieces:
                if piece is not _TICK:
                    first = first or time.monotonic() - begun
                if isinstance(piece, Finish):
                    finish = piece
                    break
                text += piece.text
                thinking += piece.thinking
                if watch and watch(text):
                    break
        if finish is not None:
            _judge(finish, text, call, self.model.name)
        return Completion(text.strip(), thinking.strip(), finish, first, time.monotonic() - begun)


def _judge(finish: Finish, text: str, call: Call, name: str) -> None:
    if call.alternatives and call.room == 1:
        return
    if finish.reason == "length":
        what = "thinking" if call.think and not text.strip() else "reply"
        raise UnfinishedReplyError(f"{name} did not finish its {what} within {call.room} tokens")
    if not text.strip():
        raise BrokenReplyError(f"{name} replied with nothing")


def enforce_timeouts(
    source: Iterator[CompletionChunk | Finish], limits: Timeouts, name: str
) -> Generator[CompletionChunk | Finish, None, None]:
    """The same pieces, or GeneratorTimeoutError: whatever the source does, the consumer waits no longer.

    An empty piece comes every half second in which the source gives nothing, so that a watch may stop it then too.
    The source runs in a thread of its own, which ends at its next piece, or at its own read timeout.
    """
    queue: _Queue = SimpleQueue()
    stop = Event()
    Thread(target=_pump, args=(source, queue, stop), daemon=True, name=f"reply of {name}").start()
    begun = time.monotonic()
    allowed = min(limits.first, limits.total)
    try:
        while True:
            left = begun + allowed - time.monotonic()
            try:
                item = queue.get(timeout=min(_TICK_SECONDS, max(0.0, left)))
            except Empty:
                if left > _TICK_SECONDS:
                    yield _TICK
                    continue
                raise GeneratorTimeoutError(
                    f"{name} gave no answer within {allowed:g} s", "set MLRAG_TIMEOUT higher"
                ) from None
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            allowed = limits.total
            yield item
    finally:
        stop.set()


def _pump(
    source: Iterator[CompletionChunk | Finish],
    queue: SimpleQueue[CompletionChunk | Finish | BaseException | None],
    stop: Event,
) -> None:
    try:
        for piece in source:
            if stop.is_set():
                break
            queue.put(piece)
        queue.put(None)
    except BaseException as error:
        queue.put(error)
    finally:
        close = getattr(source, "close", None)
        if close:
            close()
