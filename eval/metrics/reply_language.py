"""In which language is a reply? The bench's own scorer: script shares, then langdetect inside a script.

Other code than the service's guard (`mlrag/text/detect.py`), which never grades itself.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache, lru_cache

import regex
from langdetect import DetectorFactory, LangDetectException, detect_langs

from mlrag.languages import Language, language, languages

MIN_LETTERS = 20
_READ = 1000  # characters: more tell langdetect nothing new
_OWN_SHARE = 0.05  # of the letters: Kana in Japanese, Hangul in Korean are far more
_NAMES = {"zh-cn": "zh", "zh-tw": "zh"}
_MARKS = regex.compile(r"[\[【［]\s*\p{Nd}[\p{Nd}\s,،、]*[\]】］]|https?://\S+")
_LATIN_NAME = regex.compile(r"\b\p{Lu}[\p{Latin}\p{M}'’.-]*(?:\s+\p{Ll}\p{Latin}+(?=[^\p{L}]*(?!\p{Latin})\p{L}))?")
_LATIN = regex.compile(r"\p{Latin}")
DetectorFactory.seed = 0  # langdetect draws 3-grams at random; the same text must get the same verdict in every run


class ReplyLanguage(StrEnum):
    """What language a reply is in. `UNKNOWN` is never taken for the asked one; `SKIPPED` is in no rate."""

    ASKED = "asked"
    ENGLISH = "english"
    OTHER = "other"
    UNKNOWN = "unknown"  # long enough, but langdetect cannot read it
    SKIPPED = "skipped"  # fewer than 20 letters beside marks, digits and Latin names


def reply_language(text: str, lang: Language) -> ReplyLanguage:
    """The verdict on one reply. Never guesses that an unreadable text is in the language asked for."""
    return _reply_language(text, lang.code)


@lru_cache(maxsize=2**17)
def _reply_language(text: str, code: str) -> ReplyLanguage:
    lang = language(code)
    own_latin = set(lang.scripts) == {"Latin"}
    text = _MARKS.sub(" ", text)
    if not own_latin:
        text = _LATIN_NAME.sub(" ", text)
    letters = _letters(text)
    if len(letters) < MIN_LETTERS:
        return ReplyLanguage.SKIPPED
    if sum(ord(c) in lang.own_letters for c in letters) * 2 < len(letters):
        latin = sum(bool(_LATIN.match(c)) for c in letters) * 2 > len(letters)
        return ReplyLanguage.ENGLISH if latin and _best(text[:_READ]) == "en" else ReplyLanguage.OTHER
    if not any(_may_be(rival, lang, letters) for rival in _rivals(code)):
        return ReplyLanguage.ASKED
    best = _best(text[:_READ])
    if best == code:
        return ReplyLanguage.ASKED
    return ReplyLanguage.UNKNOWN if not best else ReplyLanguage.ENGLISH if best == "en" else ReplyLanguage.OTHER


def _letters(text: str) -> list[str]:
    """str.isalpha is true of the categories L alone."""
    return [c for c in text if c.isalpha()]


@cache
def _rivals(code: str) -> tuple[Language, ...]:
    """Other packs in the same script, so that its letters alone do not tell."""
    packs = languages()
    return tuple(p for p in packs.values() if p.code != code and set(p.scripts) & set(packs[code].scripts))


def _may_be(rival: Language, asked: Language, letters: list[str]) -> bool:
    """Not where the rival has letters of its own and none of them is here: Han without Kana or Hangul is Chinese, which
    langdetect takes for Korean where it is written the traditional way."""
    if set(rival.scripts) <= set(asked.scripts):
        return True
    own = sum(ord(c) in rival.own_letters and ord(c) not in asked.own_letters for c in letters)
    return own >= _OWN_SHARE * len(letters)


def _best(text: str) -> str:
    """langdetect's first choice as one of our codes; "" where it reads nothing (it has no Sinhala profile)."""
    try:
        candidates = detect_langs(text)
    except LangDetectException:  # no known 3-gram
        return ""
    best = candidates[0].lang if candidates else ""
    return _NAMES.get(best, best)
