"""What scripted stand-ins stand on: the key to one language's questions, a Generator that follows a script, and its
raw predictions, which no guard of the pipeline has touched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eval.datasets.own import article_removed, own_questions
from eval.metrics.answers import containment
from eval.types import CitedSpan, Example, Prediction
from mlrag.answering.citations import cite
from mlrag.documents.chunking import chunk
from mlrag.documents.readers import read_documents
from mlrag.generation.base import Request
from mlrag.languages import Language, language
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document, Evidence, Generation, Hit, Passage

SHOWN = 5  # passages


@dataclass(frozen=True)
class AnswerKey:
    """All that is known of one language: its documents and its questions with their answers.

    Examples with a hidden document share the question of the one they were made from; `examples` leaves them out.
    """

    lang: Language
    documents: Sequence[Document]
    examples: Sequence[Example]

    @cached_property
    def by_question(self) -> Mapping[str, Example]:
        return {e.question: e for e in self.examples}

    @cached_property
    def passages(self) -> Sequence[Passage]:
        return [p for d in self.documents for p in chunk(d, self.lang)]

    @cached_property
    def answerable(self) -> Sequence[Example]:
        return [e for e in self.examples if e.answerable]

    @cached_property
    def answering(self) -> Mapping[str, str]:
        """By question id: the first sentence of the gold documents that holds an answer, else the answer itself."""
        return {e.id: next(self._that_answer(e), e.answers[0]) for e in self.answerable}

    def _that_answer(self, example: Example) -> Iterator[str]:
        return (s for s in self.sentences(example.gold_docs) if containment(s, example.answers, self.lang))

    def wrong_sentence(self, example: Example) -> str:
        """A sentence of the topic's document that does not answer."""
        topic = example.gold_docs or [d.id for d in self.documents if d.id.endswith(f"-{example.cluster}")]
        missed = [s for s in self.sentences(topic) if not containment(s, example.answers, self.lang)]
        return missed[_draw(example.id, len(missed))]

    def sentences(self, docs: Sequence[str]) -> Iterator[str]:
        for document in self.documents:
            if document.id in docs:
                for span in sentence_spans(document.text):
                    yield document.text[span.start : span.end]

    def other(self, example: Example) -> Example:
        """An answerable question of another topic."""
        others = [e for e in self.answerable if e.cluster != example.cluster]
        return others[_draw(example.id, len(others))]

    def chosen(self, answerable: bool, share: float) -> set[str]:
        """Questions of exactly this share of the (un)answerable examples, by the hash of their ids."""
        among = [e for e in self.examples if e.answerable == answerable]
        ordered = sorted(among, key=lambda e: hashlib.sha256(e.id.encode()).digest())
        return {e.question for e in ordered[: round(share * len(ordered))]}


def _draw(name: str, n: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % n


AnswerKeys = Mapping[str, AnswerKey]
Reply = Callable[[AnswerKeys, AnswerKey, Example, tuple[Hit, ...]], str | None]


@dataclass(frozen=True)
class Scripted:
    """A stand-in Generator that follows a script.

    `reply` speaks to a question that the hits answer, `lost` to one they do not; None is an abstention. Marks like
    "[1]" in a reply are its citations.
    """

    script: str
    keys: AnswerKeys
    lang: str
    reply: Reply
    lost: Reply

    @property
    def name(self) -> str:
        return f"stand-in:{self.script}"

    def generate(self, request: Request) -> Generation:
        key = self.keys[self.lang]
        example = key.by_question[request.evidence.question]
        hits = request.evidence.hits
        answers = example.answerable and any(h.passage.doc_id in example.gold_docs for h in hits)
        said = (self.reply if answers else self.lost)(self.keys, key, example, hits)
        return Generation(said or "", self.name, abstained=said is None)


def own_answer_key(lang: str, corpora: Path, split: str = "test") -> AnswerKey:
    """The key to our own questions (see `own_questions`) and the starter documents of one language."""
    return AnswerKey(language(lang), list(read_documents([corpora / lang], lang)), own_questions(lang, split))


def add_removed(key: AnswerKey) -> list[Example]:
    """The key's questions, and each answerable one again with its gold document hidden."""
    return [*key.examples, *(article_removed(e) for e in key.answerable)]


def perfect_evidence(key: AnswerKey, example: Example) -> Evidence:
    """What a perfect retriever would show: the gold passages (or the topic's) first, then others; hidden ones never."""
    topic = example.gold_docs or tuple(d.id for d in key.documents if d.id.endswith(f"-{example.cluster}"))
    there = [p for p in key.passages if p.doc_id not in example.hidden]
    first = [p for p in there if p.doc_id in topic]
    rest = [p for p in there if p.doc_id not in topic]
    start = _draw(example.id, len(rest))
    shown = [*first, *rest[start:], *rest[:start]][:SHOWN]
    hits = tuple(Hit(p, 1 / n, 0.0, 0.0) for n, p in enumerate(shown, 1))
    return Evidence(example.question, key.lang.code, hits, (), np.zeros(1, np.float32), 0.0, 0.0, {})


def predict_unchecked(generator: Scripted, key: AnswerKey, example: Example) -> Prediction:
    """What the generator says, its marks resolved to citations, and nothing checked."""
    found = perfect_evidence(key, example)
    generation = generator.generate(Request(key.lang, found))
    text, citations, _ = cite(generation.text, found.hits)
    places = {h.passage.id: place for place, h in enumerate(found.hits)}
    return Prediction(
        id=example.id,
        variant=generator.name,
        text=text,
        abstained=generation.abstained,
        passages=tuple(h.passage.indexed_text for h in found.hits),
        citations=tuple(CitedSpan(c.doc_id, places[c.passage_id], c.answer_start, c.answer_end) for c in citations),
        hit_docs=tuple(dict.fromkeys(h.passage.doc_id for h in found.hits)),
        model=generation.model,
    )
