"""A stand-in that reads only so far: it finds what stands in the first tokens of its context. It is no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.longcontext.contexts import Hunt
from mlrag.generation.token_estimate import estimate_tokens
from mlrag.languages import language
from mlrag.types import Answer, Usage


@dataclass(frozen=True)
class Nearsighted:
    """An Asker: answers where the gold passage is there and the context is no longer than `reach`, else abstains."""

    hunts: Sequence[Hunt]
    reach: int

    name = "stand-in:nearsighted"

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),  # noqa: ARG002
        only: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Answer:
        hunt = next(h for h in self.hunts if h.example.question == question and h.example.lang == lang)
        sees = hunt.depth is not None and hunt.length <= self.reach
        text = hunt.example.answers[0] if sees else language(hunt.example.lang).abstention
        used = Usage(prompt_tokens=estimate_tokens(question))
        return Answer(text, hunt.example.lang, not sees, (), (), self.name, "", timings={"total": 0.0}, usage=used)
