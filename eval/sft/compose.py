"""From a draft and the passages that search finds for it to a row in the very form that a model is asked in."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, replace

from eval.metrics.answers import containment
from eval.sft.records import Draft, Kind, LeftOut, Row, Split
from mlrag.answering.checks import check
from mlrag.answering.citations import cite, locate
from mlrag.answering.retriever import Retriever
from mlrag.generation.prompts import MARK, turns
from mlrag.generation.replies import is_abstention, parse
from mlrag.languages import Language
from mlrag.text.sentences import sentence_spans
from mlrag.text.special_tokens import defuse
from mlrag.types import Evidence, Generation, Hit


@dataclass(frozen=True, slots=True)
class Source:
    """The sentence that answers: it stands in hit number `hit`, from 1."""

    hit: int
    sentence: str


@dataclass(frozen=True)
class Composer:
    """Makes rows of one language. `k` passages are shown, in an order drawn from the seed, so that no place is the
    right one by habit; rows longer than `max_tokens` (by the estimate from above) are left out."""

    retriever: Retriever
    lang: Language
    k: int
    seed: int
    max_tokens: int

    def find(self, question: str, only: Collection[str]) -> Evidence:
        """What search finds among these documents."""
        return self.retriever.search(question, self.lang.code, self.k, only=frozenset(only))

    def answered(self, draft: Draft, split: Split, only: Collection[str]) -> Row | LeftOut:
        """The row that answers the draft from the documents `only`."""
        e = draft.example
        evidence = self._shuffled(self.find(e.question, only), e.id)
        source = find_source(draft, evidence.hits, self.lang)
        if source is None:
            return LeftOut("question", e.id, "no_passage_found_holds_the_answer")
        reply = grounded_reply(draft, source)
        if problem := faults(reply, evidence, self.lang):
            return LeftOut("question", e.id, f"ungrounded:{problem}")
        gold = (evidence.hits[source.hit - 1].passage.doc_id,)
        return self._row(draft, "answered", split, evidence, gold, reply)

    def silent(self, draft: Draft, split: Split, only: Collection[str], hidden: Collection[str]) -> Row | LeftOut:
        """The row that abstains: an unanswerable question, or one whose documents are hidden, which no shown passage
        may answer all the same."""
        e = draft.example
        there = set(only) - set(hidden)
        if not there:
            return LeftOut("question", e.id, "no_other_document")
        evidence = self._shuffled(self.find(e.question, there), f"{e.id}~hidden")
        if any(holds(draft, hit.passage.text, self.lang) for hit in evidence.hits):
            return LeftOut("question", e.id, "another_document_answers")
        kind: Kind = "document_hidden" if e.answerable else "unanswerable"
        return self._row(draft, kind, split, evidence, tuple(hidden), self.lang.abstention)

    def _shuffled(self, evidence: Evidence, name: str) -> Evidence:
        hits = list(evidence.hits)
        random.Random(f"{self.seed}:{name}").shuffle(hits)
        return replace(evidence, hits=tuple(hits))

    def _row(
        self, draft: Draft, kind: Kind, split: Split, evidence: Evidence, gold: tuple[str, ...], reply: str
    ) -> Row | LeftOut:
        e = draft.example
        row = Row(
            id=f"{e.id}~hidden" if kind == "document_hidden" else e.id,
            split=split,
            kind=kind,
            source=draft.source,
            question=e.question,
            documents=tuple(sorted({h.passage.doc_id for h in evidence.hits})),
            gold=gold,
            prompt=turns(self.lang, e.question, evidence.hits),
            reply=reply,
        )
        most = row.tokens[1]
        return row if most <= self.max_tokens else LeftOut("question", e.id, f"too_long:{most}")


def holds(draft: Draft, text: str, lang: Language) -> bool:
    """Does the text answer: does it hold the quote, or a reference answer?"""
    if draft.quote and locate(draft.quote, text):
        return True
    return bool(containment(text, draft.example.answers, lang))


def find_source(draft: Draft, hits: tuple[Hit, ...], lang: Language) -> Source | None:
    """The first sentence that answers, in the draft's own documents where it names some."""
    gold = draft.example.gold_docs
    for number, hit in enumerate(hits, 1):
        if gold and hit.passage.doc_id not in gold:
            continue
        text = hit.passage.text
        if draft.quote and (span := locate(draft.quote, text)):
            return Source(number, text[span.start : span.end])
        for span in sentence_spans(text):
            if not draft.quote and holds(draft, text[span.start : span.end], lang):
                return Source(number, text[span.start : span.end])
    return None


def grounded_reply(draft: Draft, source: Source) -> str:
    """The quote, a line of dashes, the answer with its mark behind each sentence: what the prompt asks for."""
    quote = _inert(source.sentence)
    answer = _inert(cite(draft.reply, ())[0]) if draft.reply else quote
    marked = " ".join(f"{answer[s.start : s.end]} [{source.hit}]" for s in sentence_spans(answer))
    return f'[{source.hit}] "{quote}"\n---\n{marked}'


def _inert(text: str) -> str:
    return " ".join(defuse(text.replace(MARK, "|")).split())


def faults(reply: str, evidence: Evidence, lang: Language) -> str:
    """What the guard of `ask` would refuse in this reply; "" for nothing."""
    parsed = parse(reply)
    if not parsed.quotes or is_abstention(parsed.answer, lang.abstention):
        return "unreadable"
    return check(Generation(parsed.answer, "training set", quotes=parsed.quotes), evidence, lang).problem
