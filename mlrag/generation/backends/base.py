"""The seam below every model: one call in, pieces of a reply out. Backends implement ChatModel and nothing more.

What all models share stands elsewhere: deadlines, retries and limits in `calls`, prompts and parsing in `model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`role` is "system" or "user". `content` is already inert: no control token of any template in it."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model.

    `room`: tokens the whole reply may take, thinking included. `schema`: a JSON schema that the reply obeys;
    thinking is off then. `completion`: text that the model continues as it stands, without a chat template, in
    place of turns. `stop`: strings that end a completion. `alternatives`: so many log-probabilities of the first
    token are wanted (0 to 20); with a `room` of 1 they are all that is.
    """

    turns: tuple[ChatMessage, ...]
    room: int = 512
    think: bool = False
    schema: Mapping[str, Any] | None = None
    completion: str = ""
    stop: tuple[str, ...] = ()
    alternatives: int = 0


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """A part of the reply as it comes: text for the reader, or thinking, which is never shown as text."""

    text: str = ""
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The last thing a backend yields. `reason` is "stop" or "length" (the room was used up).

    Counts are the backend's own; None where it does not say. `load_seconds`: spent loading the model.
    `first_token`: log-probabilities of the first token's alternatives, where asked for.
    """

    reason: str
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    load_seconds: float | None = None
    first_token: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to the first piece, and for the whole call."""

    connect: float = 5.0
    first: float = 60.0
    total: float = 120.0


class ChatModel(Protocol):
    """One model behind one backend.

    `name`: what answers, e.g. "ollama:gemma4:e4b". `host`: "host:port" that is spoken to, "" inside this process.
    `window`: tokens that prompt and reply may fill together. `base`: a model without a chat template, driven by
    `Call.completion`. Opening or reading the stream raises the errors below GeneratorError and no others; a
    stream that ends without Finish never happens: it is a BrokenReplyError.
    """

    @property
    def name(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def base(self) -> bool: ...

    @property
    def window(self) -> int: ...

    def label(self) -> str:
        """The name that answers carry: `name`, or "name [stand-in]" where the server says that it is one."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text: by the model's own tokenizer, else an estimate from above (`budget.estimate`)."""
        ...

    def stream(self, call: Call, timeouts: Timeouts) -> Iterator[CompletionChunk | Finish]:
        """Pieces, then one Finish. Closing the iterator early stops the model."""
        ...


@runtime_checkable
class TextScorer(Protocol):
    """A ChatModel that also says how likely a given text is as its reply. Few backends can: see docs/suites.md."""

    def log_likelihoods(self, call: Call, texts: Sequence[str], until: float) -> list[float]:
        """ln P(text | call) of each text, summed over its tokens, its end not counted. `until`: monotonic seconds.

        `room`, `schema`, `stop` and `alternatives` of the call mean nothing here. Raises GeneratorError.
        """
        ...
