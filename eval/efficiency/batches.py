"""One batch: N calls at once with prompts of a length, timed token by token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.efficiency.machine import Meter, read_peak_gb, reset_peak
from eval.runner import jsonl_log
from mlrag.errors import MlragError
from mlrag.generation.backends.base import Call, ChatMessage, Finish
from mlrag.generation.client import ModelClient, enforce_timeouts
from mlrag.generation.token_estimate import estimate_tokens

WRITE = 64  # tokens that each call writes at most
_ASK = "Continue this story; write as much as you can.\n\n"
_STORY = "The boat left the harbour early, and nobody on the quay knew when it would be back. "


@dataclass(frozen=True, slots=True)
class Batch:
    """What is measured: a prompt of about `context` tokens, `at_once` calls, the `repeat`-th time from 0."""

    context: int
    at_once: int
    repeat: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One call: seconds to the first piece and in all; tokens as the backend counts them, None where it does not."""

    first: float
    seconds: float
    prompt_tokens: int | None
    output_tokens: int | None
    load: float | None

    @property
    def read_rate(self) -> float | None:
        """Prompt tokens a second, waiting for the first token included, loading left out."""
        spent = self.first - (self.load or 0.0)
        return self.prompt_tokens / spent if self.prompt_tokens and spent > 0 else None

    @property
    def write_rate(self) -> float | None:
        """Tokens a second after the first."""
        spent = self.seconds - self.first
        return (self.output_tokens - 1) / spent if self.output_tokens and self.output_tokens > 1 and spent > 0 else None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one batch.

    Args:
        seconds: Wall time of all its calls.
        peak: GB of this process; None where the model runs in another.
        error: The failure's message; then nothing else is meaningful.
    """

    batch: Batch
    streams: tuple[Stream, ...] = ()
    seconds: float = 0.0
    peak: float | None = None
    joules: float | None = None
    model: str = ""
    error: str = ""

    @property
    def total_rate(self) -> float | None:
        """Tokens a second of all streams together."""
        written = [s.output_tokens for s in self.streams]
        known = [n for n in written if n is not None]
        return sum(known) / self.seconds if known and len(known) == len(written) else None

    @property
    def joules_per_token(self) -> float | None:
        rate = self.total_rate
        return self.joules / (rate * self.seconds) if rate and self.joules is not None else None


def make_prompt(batch: Batch, number: int) -> str:
    """Return a prompt that begins differently for every call, so that no backend has it in its cache."""
    head = f"{batch.repeat}-{batch.at_once}-{number}. {_ASK}"
    return head + _STORY * max(
        1, (batch.context - estimate_tokens(head)) // (estimate_tokens(_STORY) - estimate_tokens(""))
    )


def measure_batch(caller: ModelClient, batch: Batch) -> BatchResult:
    """Measure one batch. A failure of any call fails the batch."""
    reset_peak()
    begun = time.perf_counter()
    try:
        with Meter() as meter, ThreadPoolExecutor(batch.at_once) as pool:
            streams = tuple(pool.map(lambda n: _stream(caller, make_prompt(batch, n)), range(batch.at_once)))
    except MlragError as error:
        return BatchResult(batch, error=str(error))
    peak = None if caller.model.host else read_peak_gb()
    return BatchResult(batch, streams, time.perf_counter() - begun, peak, meter.joules, caller.model.label())


def _stream(caller: ModelClient, text: str) -> Stream:
    call = Call((), WRITE, completion=text) if caller.model.base else Call((ChatMessage("user", text),), WRITE)
    begun, first, finish = time.perf_counter(), 0.0, None
    with closing(
        enforce_timeouts(caller.model.stream(call, caller.timeouts), caller.timeouts, caller.model.name)
    ) as pieces:
        for piece in pieces:
            if isinstance(piece, Finish):
                finish = piece
                break
            first = first or (time.perf_counter() - begun if piece.text or piece.thinking else 0.0)
    seconds = time.perf_counter() - begun
    counts = (finish.prompt_tokens, finish.output_tokens, finish.load_seconds) if finish else (None, None, None)
    return Stream(first or seconds, seconds, *counts)


def measure_batches(caller: ModelClient, batches: Sequence[Batch], path: Path) -> list[BatchResult]:
    """Return the result of every batch in order; those on disk are not measured again, but failed ones are."""
    done = _read_log(path)
    for batch in batches:
        if batch not in done:
            done[batch] = measure_batch(caller, batch)
            jsonl_log.append(path, asdict(done[batch]))
    return [done[batch] for batch in batches]


def read_batches(batches: Sequence[Batch], path: Path) -> list[BatchResult]:
    """Return every batch as it was measured before; an empty result for one that was not."""
    done = _read_log(path)
    return [done.get(batch) or BatchResult(batch) for batch in batches]


def _read_log(path: Path) -> dict[Batch, BatchResult]:
    results = {}
    for row in jsonl_log.rows(path):
        streams = tuple(Stream(**s) for s in row["streams"])
        result = BatchResult(**(row | {"batch": Batch(**row["batch"]), "streams": streams}))
        if not result.error:
            results[result.batch] = result
    return results
