"""Where sentences end, in any script. Spans are exact: nothing is lost, reordered or changed."""

from __future__ import annotations

import regex

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
# "Dr. Silva", "J. R. R. Tolkien", "z. B.", "எஸ். பாலன்": an initial or a known short form ends no sentence.
_LETTER_NAMES = (
    r"எ(?:ஸ்|ம்|ன்|ல்|ச்|ஃப்)|ஆர்|එ(?:ස්|ම්|න්|ල්|ච්|ෆ්)|ආර්|ඩී|බී|සී|ජී|පී|ටී|වී|කේ|ජේ|ඒ|අයි|"
    r"एम|एस|एन|एल|आर|के|जी|बी|सी|डी|पी|टी|वी|जे|ए|ई|एच|এম|এস|এন|এল|আর|কে|জি|বি|সি|ডি|পি|টি|এ"
)
_INITIAL = regex.compile(rf"(?:^|[\s(\[«“\"])(?:\p{{Lu}}|\p{{Arabic}}|(?=\p{{Tamil}})\X|{_LETTER_NAMES}|(?:\X\.)+\X)$")
_ABBREVIATION = regex.compile(
    r"(?:^|[\s(\[«“\"])(?:[Dd]r|[Mm]rs?|[Mm]s|[Pp]rof|[Ss]t|[Ss]ra?|[Nn]o|[Nn]r|[Nn]úm|[Nn]º|vs|etc|ca|bzw|usw|ggf|Abs|"
    r"[Aa]rt|Abb|Jh|Mio|Mrd|bkz|vb|yy|Doç|Yrd|[Ff]ig|[Vv]ol|pp?|approx|Ph|Jan|Feb|Aug|Sept?|Oct|Nov|Dec|डॉ|डा|प्रो|ডা|"
    r"ড|திரு|டாக்டர்|මයා)$"
)
_ORDINAL = regex.compile(r"(?:^|\s)\p{Nd}{1,2}$")
_LOWER_NEXT = regex.compile(r"\s*\p{Ll}")


def sentence_spans(text: str) -> list[Span]:
    """Spans of the sentences of a text, blanks around them left out. An empty text has none."""
    spans, start = [], 0
    for match in _END.finditer(text):
        if match.group()[0] == "." and _goes_on(text, start, match):
            continue
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [span for s, e in spans if (span := _trim(text, s, e)).start < span.end]


def _goes_on(text: str, start: int, stop: regex.Match[str]) -> bool:
    """Is this full stop part of an abbreviation, an initial or an ordinal ("14. Mai")?"""
    if len(stop.group()) > 1:
        return False
    before = text[max(start, stop.start() - 24) : stop.start()]
    if _LOWER_NEXT.match(text, stop.end()):
        return True
    if _ABBREVIATION.search(before) or (not before[-1:].isdecimal() and _INITIAL.search(before)):
        return True
    return bool(_ORDINAL.search(before) and _DATE_GOES_ON.match(text, stop.end()))


_DATE_GOES_ON = regex.compile(
    r"\s*(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Jahrhundert|Jh|Ocak|Şubat|Mart|Nisan|Mayıs|Haziran|"
    r"Temmuz|Ağustos|Eylül|Ekim|Kasım|Aralık|yüzyıl|Lord|Dalai)"
)


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return Span(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()))
