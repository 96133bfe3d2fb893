"""Documents to passages: by sentences and size, never by spaces, never through a grapheme."""

from __future__ import annotations

import math

import regex

from mlrag.documents.language_runs import runs
from mlrag.languages import Language, language
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document, Passage, Span

_GRAPHEME = regex.compile(r"\X")


def chunk(document: Document, lang: Language, size: int | None = None) -> list[Passage]:
    """Passages of about `size` characters (the size of `lang`, the document's pack, by default), in reading order.

    They cover every sentence once. A sentence longer than `size` is cut between graphemes. Where the document's
    language was detected, a passage is in the language of its own run, which may be another one.
    """
    whole = (Span(0, len(document.text)), document.lang)
    stretches = [(r.span, r.lang) for r in runs(document.text, document.lang)] if document.detected else [whole]
    packs = {code: lang if code == document.lang else language(code) for _, code in stretches}
    found = [(s, code) for within, code in stretches for s in _spans(document.text, within, packs[code], size)]
    return [
        Passage(
            id=f"{document.id}#{number}",
            doc_id=document.id,
            lang=code,
            start=span.start,
            end=span.end,
            text=document.text[span.start : span.end],
            title=document.title,
        )
        for number, (span, code) in enumerate(found)
    ]


def _spans(text: str, within: Span, lang: Language, size: int | None) -> list[Span]:
    size = size or lang.passage_chars
    spans = _pack(_pieces(text[within.start : within.end], size), size)
    return [Span(s.start + within.start, s.end + within.start) for s in spans]


def _pieces(text: str, size: int) -> list[Span]:
    """Sentences, over-long ones cut."""
    pieces: list[Span] = []
    for span in sentence_spans(text):
        pieces += [span] if span.end - span.start <= size else _cut(text, span, size)
    return pieces


def _cut(text: str, span: Span, size: int) -> list[Span]:
    cuts, start = [], span.start
    for grapheme in _GRAPHEME.finditer(text, span.start, span.end):
        if grapheme.end() - start > size and grapheme.start() > start:
            cuts.append(Span(start, grapheme.start()))
            start = grapheme.start()
    return [*cuts, Span(start, span.end)]


def _pack(pieces: list[Span], size: int) -> list[Span]:
    """Neighbouring pieces to passages of even length, so that no tail of one short sentence is left over."""
    if not pieces:
        return []
    total = pieces[-1].end - pieces[0].start
    target = total / math.ceil(total / size)
    passages, start, end = [], pieces[0].start, pieces[0].end
    for piece in pieces[1:]:
        full = piece.end - start > size
        reached = end - start >= target or (piece.end - start - target) > (target - (end - start))
        if full or reached:
            passages.append(Span(start, end))
            start = piece.start
        end = piece.end
    return [*passages, Span(start, end)]
