"""Split documents into passages by sentences and size, never by spaces, never inside a grapheme."""

from __future__ import annotations

import math

import regex

from mlrag.documents.language_runs import LanguageRun, find_language_runs
from mlrag.languages import Language, language
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document, Passage, Span

_GRAPHEME = regex.compile(r"\X")


def chunk(document: Document, lang: Language, size: int | None = None) -> list[Passage]:
    """Return passages of about `size` characters in reading order; by default the size of `lang`, the document's pack.

    They cover every sentence once. A sentence longer than `size` is cut between graphemes. Where the document's
    language was detected, a passage has the language of its own run, which may be another one.
    """
    runs = [LanguageRun(Span(0, len(document.text)), document.lang)]
    if document.detected:
        runs = find_language_runs(document.text, document.lang)
    spans: list[tuple[Span, str]] = []
    for run in runs:
        pack = lang if run.lang == document.lang else language(run.lang)
        spans += [(span, run.lang) for span in _split(document.text, run.span, size or pack.passage_chars)]
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
        for number, (span, code) in enumerate(spans)
    ]


def _split(text: str, within: Span, size: int) -> list[Span]:
    """Passages of one stretch of the text. Sentences longer than `size` are cut first."""
    stretch = text[within.start : within.end]
    pieces: list[Span] = []
    for span in sentence_spans(stretch):
        pieces += [span] if span.end - span.start <= size else _cut(stretch, span, size)
    return [Span(s.start + within.start, s.end + within.start) for s in _pack(pieces, size)]


def _cut(text: str, span: Span, size: int) -> list[Span]:
    cuts, start = [], span.start
    for grapheme in _GRAPHEME.finditer(text, span.start, span.end):
        if grapheme.end() - start > size and grapheme.start() > start:
            cuts.append(Span(start, grapheme.start()))
            start = grapheme.start()
    return [*cuts, Span(start, span.end)]


def _pack(pieces: list[Span], size: int) -> list[Span]:
    """Join neighbouring pieces into passages of even length, so that no short last sentence is left over."""
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
