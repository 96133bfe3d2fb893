"""What travels through an evaluation: the examples of a set, and a variant's prediction for each."""

from __future__ import annotations

from dataclasses import dataclass

ARTICLE_REMOVED = "article_removed"
NEAR_MISS = "near_miss"


@dataclass(frozen=True, slots=True)
class Example:
    """A question with what is known of its answer.

    `answers` are all the forms that count as right. `hidden` documents are treated as absent; `only`, where
    given, is the whole corpus of this question. `cluster` names what makes rows dependent (a document, a
    parallel item): intervals are taken over clusters. Of a multiple-choice question, `gold_option` is the
    index of the right one among `options`.
    """

    id: str
    lang: str
    question: str
    answerable: bool
    answers: tuple[str, ...] = ()
    gold_docs: tuple[str, ...] = ()
    kind: str = "fact"
    cluster: str = ""
    hidden: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    options: tuple[str, ...] = ()
    gold_option: int | None = None

    @property
    def gap(self) -> str:
        """Why it is unanswerable: "article_removed" or "near_miss"."""
        return ARTICLE_REMOVED if self.kind == ARTICLE_REMOVED else NEAR_MISS


@dataclass(frozen=True, slots=True)
class CitedSpan:
    """One citation: the document, the index of its passage in the row, and the part of the answer it supports."""

    doc: str
    passage: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """A variant's reply to one example, as one row of a run. `error` is the failure's message; then nothing else holds.

    `passages` are the retrieved ones, titles included. `citations` is None in rows written before it existed and
    where there was nothing to cite: what depends on it is then not scored. Tokens and the seconds to the first one
    are None where nobody counts them.
    """

    id: str
    variant: str
    text: str = ""
    abstained: bool = False
    passages: tuple[str, ...] = ()
    citations: tuple[CitedSpan, ...] | None = None
    confidence: float | None = None
    hit_docs: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    model: str = ""
    seconds: float = 0.0
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    first_token_seconds: float | None = None
    error: str = ""
