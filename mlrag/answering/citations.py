"""Turn "[1]" marks in a reply into verified spans: each citation is a verbatim sentence of the passage it names."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import regex

from mlrag.text.normalize import fold_digits, normalize_for_search
from mlrag.text.sentences import sentence_spans
from mlrag.text.tokens import tokens
from mlrag.types import Citation, Hit, Quote, Span, Warning

QUOTE_NOT_FOUND = "quote_not_found"  # the warning for a quote that its passage does not contain
_MARK = regex.compile(r"\s*[\[【［]\s*(\p{Nd}{1,2}(?:\s*[,،、]\s*\p{Nd}{1,2})*)\s*[\]】］]")


def cite(
    text: str, hits: tuple[Hit, ...], quotes: tuple[Quote, ...] = ()
) -> tuple[str, tuple[Citation, ...], tuple[Warning, ...]]:
    """Return the reply without its marks, the citations, and warnings for marks that name no passage.

    Each claim cites, in every passage it names, the model's own quote where that stands there word for word, else
    the sentence that shares most of the claim's tokens. A quote that stands nowhere in its passage is a warning
    (`quote_not_found:n`) and cites nothing.
    """
    found, warnings = _verify_quotes(quotes, hits)
    claims = _split_claims(text)
    whole = "".join(piece for piece, _ in claims)
    citations: list[Citation] = []
    at, span = 0, Span(0, 0)
    early: list[int] = []  # marks before any words: they belong to the first
    for piece, numbers in claims:
        span = Span(at, at + len(piece)) if piece.strip() else span
        at += len(piece)
        named = [n for n in numbers if 1 <= n <= len(hits)]
        warnings += [Warning("citation_out_of_range", str(n)) for n in numbers if n not in named]
        if span.end == 0:
            early += named
            continue
        for n in dict.fromkeys([*early, *named]):
            claim = whole[span.start : span.end]
            citations.append(_make_citation(claim, hits[n - 1], found.get(n, []), span.start, span.end))
        early = []
    return whole.strip(), tuple(_shift(c, whole) for c in citations), tuple(dict.fromkeys(warnings))


def _split_claims(text: str) -> list[tuple[str, list[int]]]:
    """Return the pieces of a reply, each with the numbers of the mark behind it; the last may have none."""
    claims, position = [], 0
    for mark in _MARK.finditer(text):
        numbers = [int(n) for n in regex.findall(r"\d+", fold_digits(mark.group(1)))]
        claims.append((text[position : mark.start()], numbers))
        position = mark.end()
    return [*claims, (text[position:], [])]


def _shift(citation: Citation, whole: str) -> Citation:
    """Return the citation with its part of the answer counted in the stripped text."""
    lead, length = len(whole) - len(whole.lstrip()), len(whole.strip())
    start, end = (min(max(at - lead, 0), length) for at in (citation.answer_start, citation.answer_end))
    return replace(citation, answer_start=start, answer_end=end)


def attribute(text: str, hits: tuple[Hit, ...], quotes: tuple[Quote, ...], enough: float) -> tuple[Citation, ...]:
    """Return citations for a reply without marks: its own verified quotes, else for each of its sentences the passage
    sentence that holds at least `enough` (a share) of its tokens. Sentences without one stay uncited."""
    found, _ = _verify_quotes(quotes, hits)
    if found:
        return tuple(
            _make_citation(text, hits[n - 1], [span], 0, len(text)) for n, spans in found.items() for span in spans
        )
    cited = []
    for s in sentence_spans(text):
        own = set(tokens(text[s.start : s.end]))
        offers = [_make_citation(text[s.start : s.end], hit, [], s.start, s.end) for hit in hits]
        shares = [len(own & set(tokens(c.quote))) / len(own) if own else 0.0 for c in offers]
        best = max(range(len(offers)), key=shares.__getitem__)
        if shares[best] >= enough:
            cited.append(offers[best])
    return tuple(cited)


def _verify_quotes(quotes: tuple[Quote, ...], hits: tuple[Hit, ...]) -> tuple[dict[int, list[Span]], list[Warning]]:
    """Return spans of the passages' texts by hit number, and a warning for each quote that stands nowhere there."""
    found: dict[int, list[Span]] = {}
    warnings: list[Warning] = []
    for quote in quotes:
        span = locate(quote.text, hits[quote.hit - 1].passage.text) if 1 <= quote.hit <= len(hits) else None
        if span is None:
            warnings.append(Warning(QUOTE_NOT_FOUND, str(quote.hit)))
        else:
            found.setdefault(quote.hit, []).append(span)
    return found, warnings


def locate(quote: str, text: str) -> Span | None:
    """Find where a quote stands in a text, verbatim but for case, width, joiners, blanks and typographic marks.

    A quote may stand in defused form (see `generation.prompts`). None where it does not stand there.
    """
    wanted = [c for c, _ in _split_letters(quote)]
    if not wanted:
        return None
    held = _split_letters(text)
    string = "".join(c for c, _ in held)
    at = string.find("".join(wanted))
    if at < 0:
        return None
    start, end = held[at][1], held[at + len(wanted) - 1][1] + 1
    while end < len(text) and unicodedata.category(text[end])[0] in "MP":
        end += 1
    return Span(start, end)


def _split_letters(text: str) -> list[tuple[str, int]]:
    """Letters, digits and marks in matching form, each with its place in the text."""
    return [
        (m, at) for at, c in enumerate(text) for m in normalize_for_search(c) if unicodedata.category(m)[0] in "LMN"
    ]


def _make_citation(claim: str, hit: Hit, quoted: list[Span], start: int, end: int) -> Citation:
    passage = hit.passage
    wanted = set(tokens(claim))
    spans = quoted or sentence_spans(passage.text) or [Span(0, len(passage.text))]
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
