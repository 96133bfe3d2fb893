"""Parts of a text that the report marks: cited, a reference, a number without a source."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

from mlrag.text.normalize import fold_digits

CITED, REFERENCE, NOWHERE = "cited", "reference", "nowhere"
_DIGIT, _LATIN = r"\p{Nd}", r"[\p{Latin}\p{M}]"
_JOINER = "\u200d"
_JOINERS = ("\u200c", _JOINER)


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """`text[start:end]` is of this kind; `number` is that of the citation, 0 for none."""

    start: int
    end: int
    kind: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class MarkedPiece:
    """A stretch of a text with the kinds it is of and the citations that end with it. Joined, pieces are the text."""

    text: str
    kinds: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


def cut_text(text: str, parts: Iterable[MarkedSpan]) -> list[MarkedPiece]:
    """Cut the text where parts begin and end, never inside a written character (a letter with its marks)."""
    inside = [p for p in (_whole(text, part) for part in parts) if 0 <= p.start < p.end <= len(text)]
    cuts = sorted({0, len(text), *(p.start for p in inside), *(p.end for p in inside)})
    found = []
    for start, end in pairwise(cuts):
        held = [p for p in inside if p.start <= start and end <= p.end]
        kinds = tuple(dict.fromkeys(p.kind for p in held))
        numbers = tuple(dict.fromkeys(p.number for p in held if p.number and p.end == end))
        found.append(MarkedPiece(text[start:end], kinds, numbers))
    return found


def _whole(text: str, part: MarkedSpan) -> MarkedSpan:
    """The part, lengthened to the end of its last written character."""
    end = part.end
    while 0 < end < len(text) and _belongs_to_character(text[end - 1], text[end]):
        end += 1
    return MarkedSpan(part.start, end, part.kind, part.number)


def _belongs_to_character(last: str, following: str) -> bool:
    return last == _JOINER or following in _JOINERS or unicodedata.category(following)[0] == "M"


def find_strings(text: str, wanted: Sequence[str], kind: str, number: int = 0) -> list[MarkedSpan]:
    """Find where each of the wanted strings stands, letter for letter but for case; at most 50 of each.

    Never a number inside a longer one, nor a Latin word inside another; from four letters on it may have an ending.
    """
    found = []
    for want in filter(str.strip, wanted):
        matches = regex.finditer(_bounded_pattern(want), text, regex.IGNORECASE)
        found += [MarkedSpan(m.start(), m.end(), kind, number) for m, _ in zip(matches, range(50), strict=False)]
    return found


def _bounded_pattern(want: str) -> str:
    """A pattern for the string with what must not stand before and after it."""
    first, last = _class(want[0]), _class(want[-1])
    before = f"(?<!{first})" if first else ""
    after = f"(?!{last})" if last and (last == _DIGIT or len(want) < 4) else ""
    return before + regex.escape(want) + after


def _class(char: str) -> str:
    return _DIGIT if char.isdecimal() else _LATIN if regex.match(_LATIN, char) else ""


def find_numbers(text: str, absent: Sequence[str]) -> list[MarkedSpan]:
    """Find the numbers (in ASCII digits) in a text, in the digits of any script."""
    folded = fold_digits(text)
    pattern = "|".join(rf"(?<!\d){regex.escape(number)}(?!\d)" for number in absent)
    return [MarkedSpan(m.start(), m.end(), NOWHERE) for m in regex.finditer(pattern, folded)] if absent else []
