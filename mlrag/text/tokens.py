"""Tokens for search and for scoring. A token never loses a combining mark."""

from __future__ import annotations

from functools import lru_cache

import regex

from mlrag.languages import Language
from mlrag.text.normalize import fold_digits, normalize_for_scoring, normalize_for_search

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+|\p{Hangul}+")
_HANGUL = regex.compile(r"\p{Hangul}")
_CHARACTER = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[^\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\s]+")
# "1,234,567.8", "1.234,5", "1 234": one separator all along, before three digits each; or "12,34,567" (Indian).
_GROUPED = (
    r"[1-9]\d{0,2}(?P<mark>[.,٬'’\u00a0\u2009\u202f ])\d{3}(?:(?P=mark)\d{3})*(?:(?!(?P=mark))[.,٫]\d+)?"
    r"|[1-9]\d?(?:[,٬]\d{2})+[,٬]\d{3}(?:[.٫]\d+)?"
)
_NUMBER = regex.compile(rf"(?<!\d|\d[.,٫٬])(?P<grouped>{_GROUPED})(?!\d|[.,٫٬]\d)|\d+(?:[.,٫٬]\d+)*", regex.ASCII)
_DIGIT = regex.compile("[0-9]")
_MARK = regex.compile("[.,٫٬]")
GRAM = 4
_KNOWN, _SHORT = 16384, 32  # words whose tokens are kept, and how long the longest of them is: about 10 MB


def words(text: str) -> list[str]:
    """Runs of letters, marks and numbers, folded for matching. Unspaced scripts come as whole runs."""
    return _WORD.findall(normalize_for_search(text))


def tokens(text: str) -> list[str]:
    """What the lexical index holds: whole words (marked "=") with their in-word 4-grams; bigrams where
    a script sets no spaces (Han, Kana, Thai, Hangul …)."""
    out: list[str] = []
    for word in words(text):
        out += _known(word) if len(word) <= _SHORT else _pieces(word)
    return out


def _pieces(word: str) -> tuple[str, ...]:
    out: list[str] = []
    position = 0
    for run in _UNSPACED.finditer(word):
        out += _split_spaced(word[position : run.start()])
        out += _bigrams(run.group())
        position = run.end()
    return (*out, *_split_spaced(word[position:]))


_known = lru_cache(_KNOWN)(_pieces)  # few words make most of any text


def _split_spaced(word: str) -> list[str]:
    return ["=" + word, *_grams(word)] if word else []


def _grams(word: str) -> list[str]:
    edged = f"_{word}_"
    return [edged[i : i + GRAM] for i in range(max(1, len(edged) - GRAM + 1))]


def _bigrams(run: str) -> list[str]:
    edged = f"_{run}_" if _HANGUL.match(run) else run  # Korean words carry their edges; Han runs have none
    return [edged[i : i + 2] for i in range(len(edged) - 1)] or [run]


def scoring_tokens(text: str, lang: Language) -> list[str]:
    """Tokens for EM, F1 and containment: one per character in unspaced scripts, else words."""
    return split_normalized(normalize_for_scoring(text, lang), lang)


def split_normalized(normal: str, lang: Language) -> list[str]:
    """The same of a text that went through `scoring` already."""
    return _CHARACTER.findall(normal) if not lang.spaced else normal.split()


def numbers(text: str) -> set[str]:
    """The numbers in a text as comparable strings: digits folded, the decimal mark a point, no grouping.

    A separator groups where it stands before three digits, the same all along ("1,200" = "1.200" = "1200"), or in
    the Indian way ("1,86,101"); a single other one is the decimal mark ("13,5" = "13.50" = "13.5", not "135"), as
    is any after a leading zero. What fits neither ("25.05.2018") is a row of numbers.
    """
    found: set[str] = set()
    folded = fold_digits(text)
    first = _DIGIT.search(folded)
    for match in _NUMBER.finditer(folded, first.start()) if first else ():
        found |= _read_grouped(match.group()) if match["grouped"] else _plain(match.group())
    return found


def _read_grouped(text: str) -> set[str]:
    marks = [c for c in text if not c.isdecimal()]
    last = marks[-1]
    decimal = last == "٫" or (len(marks) > 1 and last not in marks[:-1])
    whole, part = (text.rsplit(last, 1)) if decimal else (text, "")
    return {_value("".join(c for c in whole if c.isdecimal()), part)}


def _plain(text: str) -> set[str]:
    parts = _MARK.split(text)
    return {_value(*parts)} if len(parts) == 2 and "٬" not in text else {_value(p) for p in parts}


def _value(whole: str, part: str = "") -> str:
    return ".".join(filter(None, (whole.lstrip("0") or "0", part.rstrip("0"))))
