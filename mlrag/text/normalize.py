"""What counts as the same text: for storing, for matching, for scoring."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import regex

from mlrag.languages import Language

_JOINERS = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_BIDI = dict.fromkeys([0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_INVISIBLE = _JOINERS | _BIDI
_ARABIC_MARKS = dict.fromkeys([0x0640, 0x0670, *range(0x064B, 0x0653)])  # tatweel, tashkeel
_ARABIC_FOLD = str.maketrans("أإآٱىة", "ااااي\u0647")
_DOTLESS_I = str.maketrans({"I": "ı", "İ": "i"})
_APOSTROPHE = regex.compile(r"(?<=\p{L})['’ʼ](?=\p{L})")
# A separator between digits belongs to the number: "1 234", "1,234.5", "12٫5"; a grouping one is dropped.
_GROUPING = regex.compile(r"(?<=\d)[.,٬’'\u00a0\u2009\u202f ](?=\d{3}(?!\d))|(?<=\d),(?=\d{2},\d{3}(?!\d))")
_DECIMAL = regex.compile(r"(?<=\d)[,٫](?=\d)")
_INVISIBLE_MARK = re.compile("[" + "".join(map(chr, _INVISIBLE)) + "]")
_OTHER_DIGIT = regex.compile(r"[^\P{Nd}0-9]")
_KNOWN, _SHORT = 8192, 32  # words whose forms are kept, and how long the longest of them is: about 2 MB


class _Table(dict[int, int]):
    """What `str.translate` reads: each character's image, found once."""

    def __init__(self, image: Callable[[str], str]) -> None:
        super().__init__()
        self._image = image

    def __missing__(self, code: int) -> int:
        self[code] = found = ord(self._image(chr(code)))
        return found


_DIGITS = _Table(lambda c: str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c)
_POINT_OR_MINUS = regex.compile("[.\\-−]")
_BLANKED = _Table(lambda c: " " if unicodedata.category(c)[0] in "PSZ" and c not in ".-−" else c)


def clean(text: str) -> str:
    """What is stored and shown: NFC, no NULs, lone surrogates or bidi marks, Unix line ends; joiners kept."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text).translate(_BIDI)


def fold_confusables(text: str) -> str:
    """Return the text case-folded, compatibility forms as their plain ones, invisible format characters dropped."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if unicodedata.category(c) != "Cf").casefold()


def fold_digits(text: str) -> str:
    """Decimal digits of any script to ASCII: ௧௨ -> 12, ٣ -> 3. Other characters stay."""
    return text.translate(_DIGITS) if _OTHER_DIGIT.search(text) else text


def lower(text: str, lang: Language | None = None) -> str:
    """Return the text case-folded; a language with a dotless i (`Language.dotless_i`) keeps its two i apart."""
    if lang is not None and lang.dotless_i:
        text = text.translate(_DOTLESS_I)
    return text.casefold()


def normalize_for_search(text: str) -> str:
    """For search: NFKC, case folded, joiners and invisible marks dropped, digits to ASCII."""
    if text.isascii():
        return text.lower()
    return " ".join([_known(word) if len(word) <= _SHORT else _fold_word(word) for word in text.split(" ")])


def _fold_word(word: str) -> str:
    return fold_digits(_INVISIBLE_MARK.sub("", unicodedata.normalize("NFKC", word)).casefold())


_known = lru_cache(_KNOWN)(_fold_word)  # nothing composes with a space, and NFKC of Indic words takes long


def normalize_for_scoring(text: str, lang: Language) -> str:
    """For comparing answers: N_lang of the research notes, section 5.1, with numbers kept whole.

    NFC, invisible marks dropped, folded (Turkish i first), digits to ASCII, grouping separators dropped and
    decimal commas made points, Arabic marks and alef forms unified, width folded for Han, Kana and Hangul,
    punctuation and symbols to spaces, the language's articles dropped.
    """
    text = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    if {"Han", "Hangul", "Hiragana"} & set(lang.scripts):
        text = unicodedata.normalize("NFKC", text)
    text = fold_digits(lower(text, lang))
    if "Arabic" in lang.scripts:
        text = text.translate(_ARABIC_MARKS).translate(_ARABIC_FOLD)
    text = _DECIMAL.sub(".", _GROUPING.sub("", text))
    text = _APOSTROPHE.sub("' ", text)
    text = _without_punctuation(text)
    return " ".join(_without_articles(text.split(), lang))


def _without_punctuation(text: str) -> str:
    """Punctuation and symbols to spaces; a point between digits and a minus before one are part of a number."""
    return _POINT_OR_MINUS.sub(_in_number, text.translate(_BLANKED))


def _in_number(match: regex.Match[str]) -> str:
    text, at, c = match.string, match.start(), match.group()
    before, after = text[at - 1] if at else "", text[at + 1] if at + 1 < len(text) else ""
    if c == ".":
        return "." if before.isdecimal() and after.isdecimal() else " "
    return "-" if after.isdecimal() and not (before.isalnum() or before == ".") else " "


def _without_articles(words: list[str], lang: Language) -> list[str]:
    if not lang.articles:
        return words
    articles = {lower(a, lang).replace("'", "").replace("’", "") for a in lang.articles}
    if "Arabic" in lang.scripts:  # the article is a prefix; a bare prefix is left alone
        return [
            w[len(a) :] if (a := next((a for a in articles if w.startswith(a)), "")) and len(w) > len(a) else w
            for w in words
        ]
    kept = [w for w in words if w not in articles]
    return kept or words
