"""ChatMessage a draft and the passages that search finds for it into a row in the form in which a model is asked."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, replace

from eval.metrics.answers import containment
from eval.sft.records import Draft, Kind, LeftOut, Split, TrainingRow
from mlrag.answering.checks import check
from mlrag.answering.citations import cite, locate
from mlrag.answering.retriever import Retriever
from mlrag.generation.prompts import MARK, build_messages
from mlrag.generation.replies import is_abstention, parse
from mlrag.languages import Language
from mlrag.text.sentences import sentence_spans
from mlrag.text.special_tokens import escape_special_tokens
from mlrag.types import Evidence, Generation, Hit


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """The sentence that answers; it is in hit number `hit`, from 1."""

    hit: int
    sentence: str


@dataclass(frozen=True)
class Composer:
    """Make rows of one language.

    Args:
        k: passages shown, in an order drawn from the seed, so that no position is the right one by habit.
        max_tokens: longer rows (by the upper estimate) are left out.
    """

    retriever: Retriever
    lang: Language
    k: int
    seed: int
    max_tokens: int

    def search(self, question: str, only: Collection[str]) -> Evidence:
        """Search among these documents alone."""
        return self.retriever.search(question, self.lang.code, self.k, only=frozenset(only))

    def make_answer(self, draft: Draft, split: Split, only: Collection[str]) -> TrainingRow | LeftOut:
        """Return the row that answers the draft from the documents `only`."""
        e = draft.example
        evidence = self._shuffle(self.search(e.question, only), e.id)
        source = find_source(draft, evidence.hits, self.lang)
        if source is None:
            return LeftOut("question", e.id, "no_passage_found_holds_the_answer")
        reply = write_reply(draft, source)
        if fault := find_fault(reply, evidence, self.lang):
            return LeftOut("question", e.id, f"ungrounded:{fault}")
        gold = (evidence.hits[source.hit - 1].passage.doc_id,)
        return self._make_row(draft, "answered", split, evidence, gold, reply)

    def make_abstention(
        self, draft: Draft, split: Split, only: Collection[str], hidden: Collection[str]
    ) -> TrainingRow | LeftOut:
        """Return the row that abstains: the question is unanswerable, or its documents are hidden.

        It is left out where a passage that is shown answers the question all the same.
        """
        e = draft.example
        visible = set(only) - set(hidden)
        if not visible:
            return LeftOut("question", e.id, "no_other_document")
        evidence = self._shuffle(self.search(e.question, visible), f"{e.id}~hidden")
        if any(has_answer(draft, hit.passage.text, self.lang) for hit in evidence.hits):
            return LeftOut("question", e.id, "another_document_answers")
        kind: Kind = "document_hidden" if e.answerable else "unanswerable"
        return self._make_row(draft, kind, split, evidence, tuple(hidden), self.lang.abstention)

    def _shuffle(self, evidence: Evidence, name: str) -> Evidence:
        hits = list(evidence.hits)
        random.Random(f"{self.seed}:{name}").shuffle(hits)
        return replace(evidence, hits=tuple(hits))

    def _make_row(
        self, draft: Draft, kind: Kind, split: Split, evidence: Evidence, gold: tuple[str, ...], reply: str
    ) -> TrainingRow | LeftOut:
        e = draft.example
        row = TrainingRow(
            id=f"{e.id}~hidden" if kind == "document_hidden" else e.id,
            split=split,
            kind=kind,
            source=draft.source,
            question=e.question,
            documents=tuple(sorted({h.passage.doc_id for h in evidence.hits})),
            gold=gold,
            prompt=build_messages(self.lang, e.question, evidence.hits),
            reply=reply,
        )
        most = row.tokens[1]
        return row if most <= self.max_tokens else LeftOut("question", e.id, f"too_long:{most}")


def has_answer(draft: Draft, text: str, lang: Language) -> bool:
    """Tell whether the text holds the quote or a reference answer."""
    if draft.quote and locate(draft.quote, text):
        return True
    return bool(containment(text, draft.example.answers, lang))


def find_source(draft: Draft, hits: tuple[Hit, ...], lang: Language) -> AnswerSource | None:
    """Return the first sentence that answers, in the draft's own documents where it names some."""
    gold = draft.example.gold_docs
    for number, hit in enumerate(hits, 1):
        if gold and hit.passage.doc_id not in gold:
            continue
        text = hit.passage.text
        if draft.quote and (span := locate(draft.quote, text)):
            return AnswerSource(number, text[span.start : span.end])
        for span in sentence_spans(text):
            if not draft.quote and has_answer(draft, text[span.start : span.end], lang):
                return AnswerSource(number, text[span.start : span.end])
    return None


def write_reply(draft: Draft, source: AnswerSource) -> str:
    """Write the quote, a line of dashes, and the answer with a mark after each sentence, as the prompt asks for."""
    quote = _escape(source.sentence)
    answer = _escape(cite(draft.reply, ())[0]) if draft.reply else quote
    marked = " ".join(f"{answer[s.start : s.end]} [{source.hit}]" for s in sentence_spans(answer))
    return f'[{source.hit}] "{quote}"\n---\n{marked}'


def _escape(text: str) -> str:
    return " ".join(escape_special_tokens(text.replace(MARK, "|")).split())


def find_fault(reply: str, evidence: Evidence, lang: Language) -> str:
    """Return the problem for which the checks of `ask` would refuse this reply; "" for none."""
    parsed = parse(reply)
    if not parsed.quotes or is_abstention(parsed.answer, lang.abstention):
        return "unreadable"
    problem = check(Generation(parsed.answer, "training set", quotes=parsed.quotes), evidence, lang).problem
    return str(problem) if problem else ""
