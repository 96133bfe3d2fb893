"""What every generator takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlrag.languages import Language
from mlrag.records import Evidence, Generation


@dataclass(frozen=True, slots=True)
class Request:
    """One call: answer `evidence.question` in `lang` from `evidence.hits`.

    `firm` names a pack's prompt key that says what was wrong with the last reply: "firmer" (another language) or
    "grounded" (not in the passages); "" on the first try. `until`: monotonic seconds that no call may outlive.
    """

    lang: Language
    evidence: Evidence
    firm: str = ""
    until: float | None = None


class Generator(Protocol):
    """`name` says what answers, e.g. "extractive" or "ollama:gemma4:e4b". Raises GeneratorError."""

    @property
    def name(self) -> str: ...

    def generate(self, request: Request) -> Generation: ...
