"""The values of an export: drafts of questions, rows of the training set, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from eval.types import Example
from mlrag.generation.backends.base import ChatMessage
from mlrag.generation.token_estimate import estimate_fewest_tokens, estimate_tokens

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")
Kind = Literal["answered", "document_hidden", "unanswerable"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question that may become a row.

    Args:
        reply: its answer as a sentence; "" to use the sentence of the source.
        quote: the sentence that answers; "" where it is not known.
        source: who wrote it, "brought" or a variant.
    """

    example: Example
    reply: str = ""
    quote: str = ""
    source: str = "brought"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document or a question that is in no file, with the reason. `near`: what it is too similar to, "" for none."""

    what: Literal["document", "question"]
    id: str
    reason: str
    near: str = ""


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One conversation to learn. `documents`: those whose passages are shown; `gold`: the ones that answer."""

    id: str
    split: Split
    kind: Kind
    source: str
    question: str
    documents: tuple[str, ...]
    gold: tuple[str, ...]
    prompt: tuple[ChatMessage, ...]
    reply: str

    @property
    def tokens(self) -> tuple[int, int]:
        """Lower and upper estimate of the tokens of the conversation; the model's tokenizer is not used."""
        texts = [*(t.content for t in self.prompt), self.reply]
        return sum(map(estimate_fewest_tokens, texts)), sum(map(estimate_tokens, texts))

    def conversation(self, shape: str) -> Mapping[str, Any]:
        """Return the row as TRL and Unsloth read it.

        Args:
            shape: "messages", or "prompt-completion", whose loss is on the completion alone.
        """
        prompt = [{"role": t.role, "content": t.content} for t in self.prompt]
        completion = [{"role": "assistant", "content": self.reply}]
        if shape == "prompt-completion":
            return {"prompt": prompt, "completion": completion}
        return {"messages": prompt + completion}
