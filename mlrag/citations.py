"""From "[1]" marks in a reply to verified spans: each citation is a verbatim sentence of the passage it names."""

from __future__ import annotations

import regex

from mlrag.records import Citation, Hit, Span
from mlrag.text.normalize import fold_digits
from mlrag.text.sentences import sentence_spans
from mlrag.text.tokens import tokens

_MARK = regex.compile(r"\s*[\[【［]\s*(\p{Nd}{1,2}(?:\s*[,،、]\s*\p{Nd}{1,2})*)\s*[\]】］]")


def cite(text: str, hits: tuple[Hit, ...]) -> tuple[str, tuple[Citation, ...], tuple[str, ...]]:
    """The reply without its marks, the citations, and warnings for marks that name no passage.

    Each sentence cites, in every passage it names, the sentence that shares most of its tokens.
    """
    clean_parts: list[str] = []
    citations: list[Citation] = []
    warnings: list[str] = []
    at = 0
    position = 0
    claim_start = 0
    for mark in _MARK.finditer(text):
        piece = text[position : mark.start()]
        clean_parts.append(piece)
        at += len(piece)
        position = mark.end()
        claim = "".join(clean_parts)[claim_start:at]
        for number in regex.findall(r"\d+", fold_digits(mark.group(1))):
            if not 1 <= int(number) <= len(hits):
                warnings.append(f"citation_out_of_range:{number}")
                continue
            citations.append(_citation(claim, hits[int(number) - 1], claim_start, at))
        claim_start = at
    clean_parts.append(text[position:])
    return "".join(clean_parts).strip(), tuple(citations), tuple(warnings)


def _citation(claim: str, hit: Hit, start: int, end: int) -> Citation:
    passage = hit.passage
    wanted = set(tokens(claim))
    spans = sentence_spans(passage.text) or [Span(0, len(passage.text))]
    best = max(spans, key=lambda s: len(wanted & set(tokens(passage.text[s.start : s.end]))))
    return Citation(
        doc_id=passage.doc_id,
        passage_id=passage.id,
        start=passage.start + best.start,
        end=passage.start + best.end,
        quote=passage.text[best.start : best.end],
        lang=passage.lang,
        answer_start=start,
        answer_end=end,
    )
