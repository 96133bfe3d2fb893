"""Scores of one answer against its references. Pure: text in, number in [0, 1] (chrF: [0, 100]) out.

Every score is None, not 0 or 1, where no reference is left after normalising: there is nothing to compare with.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

import regex
from sacrebleu.metrics.chrf import CHRF

from mlrag.languages import Language, language
from mlrag.text.normalize import normalize_for_scoring
from mlrag.text.tokens import split_normalized

GRAM = 3
_KOREAN = regex.compile(r"[\p{Hangul}\p{Nd}. ]*\p{Hangul}[\p{Hangul}\p{Nd}. ]*")  # "7번째" too


@lru_cache(maxsize=65536)
def _normal(text: str, code: str) -> str:
    return normalize_for_scoring(text, language(code))


def normal(text: str, lang: Language) -> str:
    """`scoring`, remembered: a row's text is looked at by a dozen figures, a reference by every variant."""
    return _normal(text, lang.code)


@lru_cache(maxsize=4096)
def _bag(text: str, code: str) -> Counter[str]:
    return Counter(split_normalized(_normal(text, code), language(code)))


@lru_cache(maxsize=4096)
def _line(text: str, code: str) -> str:
    """The tokens with a blank before and after each, so that a run of whole tokens is a part of the string."""
    return f" {' '.join(split_normalized(_normal(text, code), language(code)))} "


@lru_cache(maxsize=4096)
def _grams(text: str, code: str) -> Counter[str]:
    words = _normal(text, code).split()
    return Counter([word[i : i + GRAM] for word in words for i in range(max(1, len(word) - GRAM + 1))])


@lru_cache(maxsize=4096)
def _comparable(references: tuple[str, ...], code: str) -> list[str]:
    return [r for r in references if _normal(r, code)]


def comparable(references: Sequence[str], lang: Language) -> list[str]:
    """The references that still say something after normalising ("…" does not). Read only."""
    return _comparable(tuple(references), lang.code)


def token_count(text: str, lang: Language) -> int:
    """How many tokens F1 counts in a text."""
    return _bag(text, lang.code).total()


def exact_match(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """1.0 if the answer equals a reference after normalising for the language."""
    wanted = [normal(r, lang) for r in comparable(references, lang)]
    return float(normal(answer, lang) in wanted) if wanted else None


def token_f1(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """Best 2PR / (P + R) over references, on token multisets (characters in unspaced scripts)."""
    got = _bag(answer, lang.code)
    return max((_f1(got, _bag(r, lang.code)) for r in comparable(references, lang)), default=None)


def _f1(got: Counter[str], wanted: Counter[str]) -> float:
    common = _common(got, wanted)
    return 2 * common / (got.total() + wanted.total()) if common else 0.0


def _common(a: Counter[str], b: Counter[str]) -> int:
    """Size of the multisets' intersection, walking the smaller one."""
    few, many = (a, b) if len(a) < len(b) else (b, a)
    return sum([min(n, many[key]) for key, n in few.items() if key in many])


def containment(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """1.0 if a reference stands in the answer.

    As a run of whole tokens; or inside a word, since words inflect and numbers take endings ("180ක්"): a
    reference with four or more letters anywhere, a number or a Korean word at the start of one. A number
    never matches inside a longer number.
    """
    wanted = comparable(references, lang)
    return float(any(_stands(r, answer, lang.code) for r in wanted)) if wanted else None


def _stands(reference: str, answer: str, code: str) -> bool:
    if _line(reference, code) in _line(answer, code):
        return True
    wanted, text = _normal(reference, code), _normal(answer, code)
    if wanted not in text:
        return False
    inside = sum(map(str.isalpha, wanted)) >= 4
    if not inside and not wanted[-1].isdecimal() and not _KOREAN.fullmatch(wanted):
        return False
    return any(_fits(text, at, at + len(wanted), inside) for at in _places(wanted, text))


def _places(part: str, text: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _fits(text: str, start: int, end: int, inside: bool) -> bool:
    """Does no longer number hold this part, nor, unless it may stand `inside` one, a word begin before it?"""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isdecimal() or (before[-1:] == "." and before[:-1].isdecimal()):
        return False
    if text[end - 1].isdecimal() and (after[:1].isdecimal() or (after[:1] == "." and after[1:].isdecimal())):
        return False
    return inside or not before or unicodedata.category(before[-1])[0] not in "LMN"


def grams(text: str, lang: Language) -> Counter[str]:
    """Character 3-grams inside the words of the normalised text; a shorter word counts whole (BERGEN). Read only."""
    return _grams(text, lang.code)


def char3_recall(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """BERGEN's Recall_char3gram: share of a reference's 3-grams, as a multiset, in the answer; best reference."""
    got = grams(answer, lang)
    wanted = [grams(r, lang) for r in comparable(references, lang)]
    return max((_common(got, w) / w.total() for w in wanted), default=None)


def chrf(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """sacrebleu's sentence chrF2 on normalised text, best reference; in [0, 100]."""
    wanted = [normal(r, lang) for r in comparable(references, lang)]
    return float(_chrf_scorer().sentence_score(normal(answer, lang), wanted).score) if wanted else None


@cache
def _chrf_scorer() -> CHRF:
    return CHRF()


def chrf_signature() -> str:
    """sacrebleu's signature of the score above."""
    scorer = CHRF()
    scorer.sentence_score("a", ["a"])  # the signature counts the references of the last call
    return str(scorer.get_signature())
