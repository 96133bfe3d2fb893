"""In which language is a reply? The bench's own scorer: script shares, then langdetect inside a script.

Other code than the service's guard (`mlrag/text/detect.py`), which never grades itself.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from functools import lru_cache

import regex
from langdetect import DetectorFactory, LangDetectException, detect_langs

from mlrag.languages import Language, languages

DetectorFactory.seed = 0  # langdetect is random without it
MIN_LETTERS = 20
_READ = 1000  # characters: more tell langdetect nothing new
_NAMES = {"zh-cn": "zh", "zh-tw": "zh"}
_MARKS = regex.compile(r"[\[【［]\s*\p{Nd}[\p{Nd}\s,،、]*[\]】］]|https?://\S+")
_LATIN_NAME = regex.compile(r"\b\p{Lu}[\p{Latin}\p{M}'’.-]*(?:\s+\p{Ll}\p{Latin}+(?=[^\p{L}]*(?!\p{Latin})\p{L}))?")
_LATIN = regex.compile(r"\p{Latin}")


class Reply(StrEnum):
    """What language a reply is in. `UNKNOWN` is never taken for the asked one; `SKIPPED` is in no rate."""

    ASKED = "asked"
    ENGLISH = "english"
    OTHER = "other"
    UNKNOWN = "unknown"  # long enough, but langdetect cannot read it
    SKIPPED = "skipped"  # fewer than 20 letters beside marks, digits and Latin names


def reply_language(text: str, lang: Language) -> Reply:
    """The verdict on one reply. Never guesses that an unreadable text is in the language asked for."""
    own_latin = set(lang.scripts) == {"Latin"}
    text = _MARKS.sub(" ", text)
    if not own_latin:
        text = _LATIN_NAME.sub(" ", text)
    letters = _letters(text)
    if len(letters) < MIN_LETTERS:
        return Reply.SKIPPED
    if sum(ord(c) in lang.own_letters for c in letters) * 2 < len(letters):
        latin = sum(bool(_LATIN.match(c)) for c in letters) * 2 > len(letters)
        return Reply.ENGLISH if latin and _best(text[:_READ]) == "en" else Reply.OTHER
    if not _rivals(lang.code):
        return Reply.ASKED
    best = _best(text[:_READ])
    if best == lang.code:
        return Reply.ASKED
    return Reply.UNKNOWN if not best else Reply.ENGLISH if best == "en" else Reply.OTHER


def _letters(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c)[0] == "L"]


def _rivals(code: str) -> bool:
    """Is there another pack in the same script, so that letters alone do not tell?"""
    packs = languages()
    return any(set(p.scripts) & set(packs[code].scripts) for p in packs.values() if p.code != code)


@lru_cache(maxsize=4096)
def _best(text: str) -> str:
    """langdetect's first choice as one of our codes; empty where it raises (it has no Sinhala profile)."""
    try:
        best = detect_langs(text)[0].lang
    except LangDetectException:
        return ""
    return str(_NAMES.get(best, best))
