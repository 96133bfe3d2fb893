"""What every generator takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mlrag.languages import Language
from mlrag.types import Evidence, Generation, Message, Warning

ESCALATED = "escalated"  # the warning of an answer that a stronger model gave in place of a refused one
ESCALATION_FAILED = "escalation_failed"
TextWatch = Callable[[str], None]  # the answer so far; a text that does not go on from the last one replaces it


def ignore_text(_text: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class RejectedReply:
    """What the checks refused, and why. `may_escalate`: no stronger model was asked for this question yet."""

    generation: Generation
    problem: Warning
    may_escalate: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """One call: answer `evidence.question` in `lang` from `evidence.hits`.

    `firm` names a pack's prompt key that says what was wrong with the last reply: "firmer" (another language) or
    "grounded" (not in the passages); "" on the first try. `until`: monotonic seconds that no call may outlive.
    `watch` is told the answer as it comes, unchecked, and never a quote or a thought; it may raise StoppedError.
    `refused`: the reply that this one is to replace; None on the first try.
    """

    lang: Language
    evidence: Evidence
    firm: str = ""
    until: float | None = None
    watch: TextWatch = ignore_text
    refused: RejectedReply | None = None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question in `lang` that may lean on what was said earlier. `until` and `watch` as in Request."""

    lang: Language
    question: str
    earlier: tuple[Message, ...]
    until: float | None = None
    watch: TextWatch = ignore_text


class Generator(Protocol):
    """`name` says what answers, e.g. "extractive" or "ollama:gemma4:e4b". Raises GeneratorError."""

    @property
    def name(self) -> str: ...

    def generate(self, request: Request) -> Generation: ...


@runtime_checkable
class Rewriter(Protocol):
    """A generator that can also make a follow-up stand by itself."""

    def rewrite(self, follow_up: FollowUp) -> str:
        """The standalone question, unchecked; "" where whoever stands behind it cannot. Raises GeneratorError."""
        ...
