"""Resolve a question inside a conversation, e.g. "and how high is it?", to one that stands by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlrag.abstention.features import distance
from mlrag.generation.base import FollowUp, Generator, Rewriter
from mlrag.text.detect import in_language
from mlrag.text.normalize import clean
from mlrag.types import Evidence, Warning

JOINED = Warning("follow_up", "joined")
NOT_REWRITTEN = Warning("follow_up", "not_rewritten")


@dataclass(frozen=True, slots=True)
class ResolvedQuestion:
    """`question` is searched and answered. `joined` holds the previous question too, and stands in for it where it
    finds more; "" where there is no such choice. `rewritten`: a model made `question` of a follow-up."""

    question: str
    joined: str = ""
    rewritten: bool = False
    warnings: tuple[Warning, ...] = ()

    @property
    def queries(self) -> tuple[str, ...]:
        return (self.question, self.joined) if self.joined else (self.question,)


def resolve(generator: Generator, follow_up: FollowUp, longest: int) -> ResolvedQuestion:
    """Return the follow-up as a question that stands by itself, by the generator's model where it has one.

    What the model says is taken only in the right language and up to `longest` characters. Without it, the
    previous question is joined to this one. Raises GeneratorError, StoppedError.
    """
    if not follow_up.earlier:
        return ResolvedQuestion(follow_up.question)
    warnings: tuple[Warning, ...] = ()
    if isinstance(generator, Rewriter) and (text := clean(generator.rewrite(follow_up)).strip()):
        if len(text) <= longest and in_language(text, follow_up.lang):
            return ResolvedQuestion(text, rewritten=True)
        warnings = (NOT_REWRITTEN,)
    before = next((clean(s.text).strip() for s in reversed(follow_up.earlier) if s.role == "user"), "")
    return ResolvedQuestion(follow_up.question, f"{before} {follow_up.question}" if before else "", warnings=warnings)


def stands_out(found: Sequence[Evidence]) -> Evidence:
    """Return the evidence whose best passage stands out most, above what off-topic questions get from its index."""
    return max(found, key=lambda e: distance(e) if e.hits else float("-inf"))
