"""A stand-in that answers a given share of the items right. It is no model: it knows the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from eval.types import Example
from mlrag.languages import language
from mlrag.types import Answer, Usage


@dataclass(frozen=True)
class Knowing:
    """An Asker. Of the n items of a language exactly round(share × n) are answered right, chosen by hash; a larger
    share answers right whatever a smaller one does. The others get another option, or a number one too high.

    `tokens`: how many it says that it wrote.
    """

    examples: Sequence[Example]
    share: float
    tokens: int = 40

    name = "stand-in:knowing"

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),  # noqa: ARG002
        only: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Answer:
        example = next(e for e in self.examples if e.question == question and e.lang == lang)
        said = example.answers[0] if example.id in self._right[example.lang] else make_wrong_answer(example)
        text = f"…\n{language(example.lang).prompt['answer']}: {said}"
        used = Usage(output_tokens=self.tokens)
        return Answer(text, example.lang, False, (), (), self.name, "", timings={"total": 0.0}, usage=used)

    @cached_property
    def _right(self) -> dict[str, set[str]]:
        found: dict[str, list[str]] = {}
        for e in self.examples:
            found.setdefault(e.lang, []).append(e.id)
        return {lang: set(_some(ids, self.share)) for lang, ids in found.items()}


def make_wrong_answer(example: Example) -> str:
    if example.gold_option is None:
        return str(int(example.answers[0]) + 1)
    return example.options[(example.gold_option + 1) % len(example.options)]


def _some(ids: Sequence[str], share: float) -> list[str]:
    ordered = sorted(ids, key=lambda i: hashlib.sha256(i.encode()).digest())
    return ordered[: round(share * len(ids))]
