"""An answer as server-sent events: passages, text as it comes, and the checked answer, which counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from mlrag.answering.serialize import wire, wire_hits
from mlrag.types import Answer, Evidence, Hit
from service.answer_task import Asking, Seen
from service.errors import described

HEARTBEAT = b": still at it\n\n"


def frame(data: Any, event: str = "") -> bytes:
    """One event. JSON has no line breaks, so its data is one line."""
    named = f"event: {event}\n".encode() if event else b""
    return named + b"data: " + orjson.dumps(data) + b"\n\n"


@dataclass(slots=True)
class Shown:
    """The text that a reader has seen so far."""

    text: str = ""

    def step(self, text: str) -> tuple[bool, str]:
        """(must the reader start over, what to add) to get from what is shown to `text`."""
        before, self.text = self.text, text
        if text.startswith(before):
            return False, text[len(before) :]
        return True, text


@dataclass(slots=True)
class Told:
    """Turns what is seen into events. `hold`: passages wait for the answer, which a safety filter may refuse."""

    explain: bool
    hold: bool
    question: str
    shown: Shown = field(default_factory=Shown)
    evidence: list[Evidence] = field(default_factory=list)

    def events(self, seen: Seen | Exception) -> Iterator[bytes]:
        if isinstance(seen, Evidence):
            self.evidence.append(seen)
            if not self.hold:
                yield _passages(seen.lang, seen.question, seen.hits)
        elif isinstance(seen, str):
            over, added = self.shown.step(seen)
            if over:
                yield frame({}, "restart")
            if added:
                yield frame({"text": added}, "text")
        elif isinstance(seen, Answer):
            yield from self._last(seen)
        else:
            status, body = described(seen)
            yield frame(body | {"status": status}, "error")

    def _last(self, answer: Answer) -> Iterator[bytes]:
        if answer.age is not None:  # from the cache: nothing was told while it was made
            yield _passages(answer.lang, answer.standalone_question or self.question, answer.hits)
            yield frame({"text": answer.text}, "text")
        elif self.hold and answer.hits:
            found = self.evidence[-1]
            yield _passages(found.lang, found.question, found.hits)
            yield frame({"text": answer.text}, "text")
        refused = self.hold and not answer.hits
        yield frame(wire(answer, self.evidence if self.explain and not refused else ()), "answer")


def _passages(lang: str, question: str, hits: Sequence[Hit]) -> bytes:
    return frame({"lang": lang, "question": question, "hits": wire_hits(hits)}, "passages")


async def stream(asking: Asking, first: Seen | None, told: Told, heartbeat: float) -> AsyncIterator[bytes]:
    """Events until the answer or an error; a comment after so many seconds without one."""
    seen: Seen | Exception | None = first
    while True:
        if seen is None:
            yield HEARTBEAT
        else:
            for event in told.events(seen):
                yield event
            if isinstance(seen, Answer | Exception):
                return
        seen = await asking.next(heartbeat)
