"""An answer as server-sent events: passages, text as it comes, and the checked answer, which counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from mlrag.answering.serialize import wire, wire_hits
from mlrag.types import Answer, Evidence, Hit
from service.answer_task import AnswerEvent, AnswerTask
from service.errors import describe_error

HEARTBEAT = b": still at it\n\n"


def encode_event(data: Any, name: str = "") -> bytes:
    """Return one event. JSON has no line breaks, so its data is one line."""
    prefix = f"event: {name}\n".encode() if name else b""
    return prefix + b"data: " + orjson.dumps(data) + b"\n\n"


@dataclass(slots=True)
class SentText:
    """The text that a client has received so far."""

    text: str = ""

    def advance(self, text: str) -> tuple[bool, str]:
        """Return (whether the client must start over, what to append) to get from the sent text to `text`."""
        before, self.text = self.text, text
        if text.startswith(before):
            return False, text[len(before) :]
        return True, text


@dataclass(slots=True)
class EventEncoder:
    """Encodes the events of one question. `hold`: passages wait for the answer, which a safety filter may refuse."""

    explain: bool
    hold: bool
    question: str
    sent: SentText = field(default_factory=SentText)
    evidence: list[Evidence] = field(default_factory=list)

    def encode(self, event: AnswerEvent | Exception) -> Iterator[bytes]:
        if isinstance(event, Evidence):
            self.evidence.append(event)
            if not self.hold:
                yield _encode_passages(event.lang, event.question, event.hits)
        elif isinstance(event, str):
            restart, addition = self.sent.advance(event)
            if restart:
                yield encode_event({}, "restart")
            if addition:
                yield encode_event({"text": addition}, "text")
        elif isinstance(event, Answer):
            yield from self._encode_answer(event)
        else:
            status, body = describe_error(event)
            yield encode_event(body | {"status": status}, "error")

    def _encode_answer(self, answer: Answer) -> Iterator[bytes]:
        if answer.age is not None:  # from the cache: there were no events before it
            yield _encode_passages(answer.lang, answer.standalone_question or self.question, answer.hits)
            yield encode_event({"text": answer.text}, "text")
        elif self.hold and answer.hits:
            latest = self.evidence[-1]
            yield _encode_passages(latest.lang, latest.question, latest.hits)
            yield encode_event({"text": answer.text}, "text")
        refused = self.hold and not answer.hits
        yield encode_event(wire(answer, self.evidence if self.explain and not refused else ()), "answer")


def _encode_passages(lang: str, question: str, hits: Sequence[Hit]) -> bytes:
    return encode_event({"lang": lang, "question": question, "hits": wire_hits(hits)}, "passages")


async def stream_events(
    task: AnswerTask, first: AnswerEvent | None, encoder: EventEncoder, heartbeat: float
) -> AsyncIterator[bytes]:
    """Yield events until the answer or an error; a comment after `heartbeat` seconds without one."""
    event: AnswerEvent | Exception | None = first
    while True:
        if event is None:
            yield HEARTBEAT
        else:
            for encoded in encoder.encode(event):
                yield encoded
            if isinstance(event, Answer | Exception):
                return
        event = await task.next_event(heartbeat)
