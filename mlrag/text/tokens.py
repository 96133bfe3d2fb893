"""Tokens for search and for scoring. A token never loses a combining mark."""

from __future__ import annotations

import regex

from mlrag.languages import Language
from mlrag.text.normalize import fold_digits, matching, scoring

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]+|\p{Hangul}+")
_HANGUL = regex.compile(r"\p{Hangul}")
_CHARACTER = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[^\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\s]+")
_NUMBER = regex.compile(r"\p{Nd}+(?:[.,٫٬]\p{Nd}+)*")
GRAM = 4


def words(text: str) -> list[str]:
    """Runs of letters, marks and numbers, folded for matching. Unspaced scripts come as whole runs."""
    return _WORD.findall(matching(text))


def tokens(text: str) -> list[str]:
    """What the lexical index holds: whole words (marked "=") with their in-word 4-grams; bigrams where
    a script sets no spaces (Han, Kana, Thai, Hangul …)."""
    out: list[str] = []
    for word in words(text):
        position = 0
        for run in _UNSPACED.finditer(word):
            out += _spaced(word[position : run.start()])
            out += _bigrams(run.group())
            position = run.end()
        out += _spaced(word[position:])
    return out


def _spaced(word: str) -> list[str]:
    return ["=" + word, *_grams(word)] if word else []


def _grams(word: str) -> list[str]:
    edged = f"_{word}_"
    return [edged[i : i + GRAM] for i in range(max(1, len(edged) - GRAM + 1))]


def _bigrams(run: str) -> list[str]:
    edged = f"_{run}_" if _HANGUL.match(run) else run  # Korean words carry their edges; Han runs have none
    return [edged[i : i + 2] for i in range(len(edged) - 1)] or [run]


def scoring_tokens(text: str, lang: Language) -> list[str]:
    """Tokens for EM, F1 and containment: one per character in unspaced scripts, else words."""
    normal = scoring(text, lang)
    return _CHARACTER.findall(normal) if not lang.spaced else normal.split()


def numbers(text: str) -> set[str]:
    """The numbers in a text as comparable strings: digits folded, separators dropped ("1,200" = "1200";
    "13,5" = "13.5")."""
    found = set()
    for match in _NUMBER.finditer(fold_digits(text)):
        digits = regex.sub(r"[.,٫٬]", "", match.group())
        found.add(digits.lstrip("0") or "0")
    return found
