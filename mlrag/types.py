"""The values that travel through mlrag: frozen, without I/O.

Offsets count Python characters (code points) of the NFC text they point into.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]  # vectors as they are stored
Vectors = NDArray[np.float32]  # (n, dim), or (dim,) for one
PolicyName = Literal["dangerous", "harassment", "hate", "sexual"]  # what the safety filter looks for

PART_OF = "mlrag.part_of"
UPLOAD = "upload:"  # the source of a document that came over HTTP, before the name of its file
_RECIPE = "1"  # raise it when chunking or sentence splitting changes: every document is then indexed anew


@dataclass(frozen=True, slots=True)
class Document:
    """One source text. `text` is NFC; `meta` is whatever the file said beyond the known fields.

    `detected`: nobody said its language, so stretches in another language go to the index of that one. There the
    document stands again, with the same id and text, and `meta[PART_OF]` is the language of the whole.
    """

    id: str
    lang: str
    text: str
    title: str = ""
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    detected: bool = False

    @property
    def content_hash(self) -> str:
        """SHA-256 over all that is indexed: equal hash, nothing to do."""
        parts = [_RECIPE, self.id, self.lang, self.title, self.text, repr(sorted(self.meta.items()))]
        parts += ["detected"] if self.detected else []
        return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """The piece that is indexed: `text == document.text[start:end]`."""

    id: str
    doc_id: str
    lang: str
    start: int
    end: int
    text: str
    title: str = ""

    @property
    def indexed_text(self) -> str:
        """What both rankers see: the title gives a later passage of a document its subject back."""
        return add_title(self.title, self.text)


def add_title(title: str, text: str) -> str:
    """Put the title of a document before a passage of it."""
    return f"{title}. {text}" if title else text


@dataclass(frozen=True, slots=True)
class RedactedSpan:
    """A half-open range of a document that no generator is shown; `certain`: worth a warning to the reader."""

    start: int
    end: int
    certain: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its fused score, and the score of each ranker (cosine in [-1, 1]; BM25 from 0).

    `redacted` spans, in order and disjoint, and the title where `title_redacted`, contain instructions to the reader.
    """

    passage: Passage
    score: float
    dense: float
    lexical: float
    redacted: tuple[RedactedSpan, ...] = ()
    title_redacted: bool = False

    @property
    def shown(self) -> str:
        """What a generator sees of the passage: `indexed_text` without the redacted spans."""
        kept, at = [], self.passage.start
        for span in self.redacted:
            kept.append(self.passage.text[at - self.passage.start : span.start - self.passage.start])
            at = span.end
        text = "".join([*kept, self.passage.text[at - self.passage.start :]])
        return add_title("" if self.title_redacted else self.passage.title, text)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a hit, with its cosine to the question. Offsets are those of the document."""

    hit: int
    start: int
    end: int
    text: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Message:
    """An earlier turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one search found in one language.

    `sentences` are those of the first few hits. `cosine_mean` and `cosine_std` describe the question's
    cosines to every passage of the index; `idf` holds each distinct token of the question. `off_topic_baseline` is
    what off-topic questions get from this index, one value a feature of `scoring.answerability`; None where unknown.
    """

    question: str
    lang: str
    hits: tuple[Hit, ...]
    sentences: tuple[Sentence, ...]
    query_vector: Vectors
    cosine_mean: float
    cosine_std: float
    idf: Mapping[str, float]
    off_topic_baseline: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A verbatim span of a source: `document.text[start:end] == quote`.

    `answer_start:answer_end` is the part of the answer's text that the quote supports.
    """

    doc_id: str
    passage_id: str
    start: int
    end: int
    quote: str
    lang: str = ""
    answer_start: int = 0
    answer_end: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that a model says stand in hit number `hit` (from 1). Not yet checked."""

    hit: int
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What one question cost a model. None where the backend does not say; seconds are wall time.

    Of several calls: the sum of what was counted, and the first token of the last one.
    """

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    thinking_tokens: int | None = None
    first_token_seconds: float | None = None
    seconds: float | None = None

    def and_then(self, later: Usage) -> Usage:
        """Both calls as one."""
        return Usage(
            _sum(self.prompt_tokens, later.prompt_tokens),
            _sum(self.output_tokens, later.output_tokens),
            _sum(self.thinking_tokens, later.thinking_tokens),
            self.first_token_seconds if later.first_token_seconds is None else later.first_token_seconds,
            _sum(self.seconds, later.seconds),
        )


Number = TypeVar("Number", int, float)


def _sum(one: Number | None, other: Number | None) -> Number | None:
    """Of what is known; None where neither is."""
    if one is None or other is None:
        return one if other is None else other
    return one + other


@dataclass(frozen=True, slots=True)
class Route:
    """Whom a router asked, by which rule, and whom it may ask in its place when the answer is refused; None: nobody."""

    variant: str
    rule: str
    escalate: str | None = None


@dataclass(frozen=True, slots=True)
class Warning:
    """Something a reader of an answer should know. `detail` may hold several parts, joined by colons.

    In JSON it is the string that `str` gives: "code" or "code:detail".
    """

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}:{self.detail}" if self.detail else self.code


@dataclass(frozen=True, slots=True)
class Generation:
    """What a generator gave for one question.

    `verbatim`: the text is copied from the sources and `citations` are exact; else `quotes` and the "[n]" marks
    of the text say what supports it. `abstained` is its own word for "the passages do not say"; `confidence` in
    [0, 1] is None where the generator has none. `host`: the machine that was spoken to, "" inside this process.
    `route`: how a router came to it, None without one.
    """

    text: str
    model: str
    abstained: bool = False
    verbatim: bool = False
    citations: tuple[Citation, ...] = ()
    quotes: tuple[Quote, ...] = ()
    confidence: float | None = None
    warnings: tuple[Warning, ...] = ()
    usage: Usage = Usage()
    host: str = ""
    thinking: str = ""
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one question. Where `abstained`, `text` is the abstention sentence of `lang`, or its refusal.

    `timings` are wall seconds by step; `left_machine`:
    question or passages went to `host`, or to an embedder or filter, that is not this machine. `age`: seconds that
    it lay in the cache; None for an answer made for this very question. `standalone_question`: what a model made of a
    follow-up, and answered; "" where it was not rewritten. `thinking`: the model's thoughts, where they are kept.
    """

    text: str
    lang: str
    abstained: bool
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    model: str
    embedder: str
    warnings: tuple[Warning, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    confidence: float | None = None
    usage: Usage = Usage()
    left_machine: bool = False
    host: str = ""
    age: float | None = None
    standalone_question: str = ""
    thinking: str = ""
