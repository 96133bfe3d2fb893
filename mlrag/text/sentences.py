"""Where sentences end, in any script. Spans are exact: nothing is lost, reordered or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import regex

from mlrag.languages import languages
from mlrag.types import Span

# After . ! ? and kin a sentence ends if a blank follows; after 。！？ it ends at once, closing quotes included.
# A danda, an Arabic question mark and a Khmer or Ethiopic stop count with the first kind.
_CLOSERS = r"[\"'”’»)\]】」』）〉》]*"
_END = regex.compile(
    rf"""
      [.!?…؟۔।॥။።؛]+ {_CLOSERS} (?=\s|$)
    | [।॥] {_CLOSERS}
    | [。！？｡]+ [」』”’）)】》〉]*
    | \n\s*\n
    | \n(?=\s*(?:[-*•]|\d+[.)])\s)
    """,
    regex.VERBOSE,
)
_ORDINAL = regex.compile(r"(?:^|\s)\p{Nd}{1,2}$")
_LOWER_NEXT = regex.compile(r"\s*\p{Ll}")
_BEFORE = r"(?:^|[\s(\[«“\"])"
_CONTEXT = 24  # characters before a full stop in which an abbreviation or an initial is looked for


@dataclass(frozen=True, slots=True)
class _ShortForms:
    """What the language packs say of full stops that end no sentence: "Dr. Silva", "எஸ். பாலன்", "14. Mai"."""

    abbreviation: regex.Pattern[str]
    initial: regex.Pattern[str]
    ordinal_word: regex.Pattern[str]


@cache
def _short_forms() -> _ShortForms:
    """All packs together: a text quotes names and titles of other languages than its own."""
    packs = languages().values()
    abbreviations = _alternatives(word for pack in packs for word in pack.abbreviations)
    letter_names = _alternatives(name for pack in packs for name in pack.initials)
    ordinal_words = _alternatives(word for pack in packs for word in pack.ordinal_words)
    # An initial is one letter ("J.", "ع."), a name of a letter ("எஸ்."), or letters with full stops ("z. B.", "U.S.").
    initial = rf"{_BEFORE}(?:\p{{Lu}}|\p{{Arabic}}|(?=\p{{Tamil}})\X|{letter_names}|(?:\X\.)+\X)$"
    return _ShortForms(
        regex.compile(rf"{_BEFORE}{abbreviations}$"), regex.compile(initial), regex.compile(rf"\s*{ordinal_words}")
    )


def _alternatives(words: Iterable[str]) -> str:
    """A group that matches any of the words."""
    return f"(?:{'|'.join(map(regex.escape, sorted(set(words))))})"


def sentence_spans(text: str) -> list[Span]:
    """Return the spans of the sentences of a text, without the blanks around them; none for an empty text."""
    spans, start = [], 0
    for match in _END.finditer(text):
        if match.group()[0] == "." and _goes_on(text, start, match):
            continue
        spans.append(_trim(text, start, match.end()))
        start = match.end()
    spans.append(_trim(text, start, len(text)))
    return [span for span in spans if span.start < span.end]


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return Span(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()))


def _goes_on(text: str, start: int, stop: regex.Match[str]) -> bool:
    """Does the sentence go on after this full stop: an abbreviation, an initial or an ordinal ("14. Mai")?"""
    if len(stop.group()) > 1:
        return False
    if _LOWER_NEXT.match(text, stop.end()):
        return True
    forms = _short_forms()
    before = text[max(start, stop.start() - _CONTEXT) : stop.start()]
    if forms.abbreviation.search(before) or (not before[-1:].isdecimal() and forms.initial.search(before)):
        return True
    return bool(_ORDINAL.search(before) and forms.ordinal_word.match(text, stop.end()))
