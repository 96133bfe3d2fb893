"""Scores of one answer against its references. Pure: text in, number in [0, 1] (chrF: [0, 100]) out.

Every score is None, not 0 or 1, where no reference is left after normalising: there is nothing to compare with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import regex

from mlrag.languages import Language, language
from mlrag.text.normalize import scoring
from mlrag.text.tokens import scoring_tokens

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF

GRAM = 3
_KOREAN = regex.compile(r"[\p{Hangul}\p{Nd}. ]*\p{Hangul}[\p{Hangul}\p{Nd}. ]*")  # "7번째" too


@lru_cache(maxsize=65536)
def _normal(text: str, code: str) -> str:
    return scoring(text, language(code))


def normal(text: str, lang: Language) -> str:
    """`scoring`, remembered: a row's text is looked at by a dozen figures, a reference by every variant."""
    return _normal(text, lang.code)


@lru_cache(maxsize=65536)
def _tokens(text: str, code: str) -> tuple[str, ...]:
    return tuple(scoring_tokens(text, language(code)))


@lru_cache(maxsize=65536)
def _grams(text: str, code: str) -> Counter[str]:
    words = _normal(text, code).split()
    return Counter(word[i : i + GRAM] for word in words for i in range(max(1, len(word) - GRAM + 1)))


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def comparable(references: Sequence[str], lang: Language) -> list[str]:
    """The references that still say something after normalising ("…" does not)."""
    return [r for r in references if normal(r, lang)]


def exact_match(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """1.0 if the answer equals a reference after normalising for the language."""
    wanted = {normal(r, lang) for r in comparable(references, lang)}
    return float(normal(answer, lang) in wanted) if wanted else None


def token_f1(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """Best 2PR / (P + R) over references, on token multisets (characters in unspaced scripts)."""
    got = Counter(_tokens(answer, lang.code))
    return max((_f1(got, Counter(_tokens(r, lang.code))) for r in comparable(references, lang)), default=None)


def _f1(got: Counter[str], wanted: Counter[str]) -> float:
    common = (got & wanted).total()
    return 2 * common / (got.total() + wanted.total()) if common else 0.0


def containment(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """1.0 if a reference stands in the answer.

    As a run of whole tokens; or inside a word, since words inflect and numbers take endings ("180ක්"): a
    reference with four or more letters anywhere, a number or a Korean word at the start of one. A number
    never matches inside a longer number.
    """
    wanted = comparable(references, lang)
    if not wanted:
        return None
    tokens_there = _tokens(answer, lang.code)
    text = _normal(answer, lang.code)
    return float(any(_stands(_normal(r, lang.code), _tokens(r, lang.code), text, tokens_there) for r in wanted))


def _stands(reference: str, wanted: tuple[str, ...], text: str, tokens_there: tuple[str, ...]) -> bool:
    if any(tokens_there[i : i + len(wanted)] == wanted for i in range(len(tokens_there) - len(wanted) + 1)):
        return True
    inside = sum(c.isalpha() for c in reference) >= 4
    at_start = reference[-1].isdecimal() or bool(_KOREAN.fullmatch(reference))
    if not (inside or at_start) or reference not in text:
        return False
    before = r"(?<!\d)(?<!\d\.)" if inside else r"(?<![\p{L}\p{M}\p{N}])(?<!\d\.)"
    after = r"(?!\d|\.\d)" if reference[-1].isdecimal() else ""
    return bool(regex.search(f"{before}{regex.escape(reference)}{after}", text))


def grams(text: str, lang: Language) -> Counter[str]:
    """Character 3-grams inside the words of the normalised text; a shorter word counts whole (BERGEN). Read only."""
    return _grams(text, lang.code)


def char3_recall(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """BERGEN's Recall_char3gram: share of a reference's 3-grams, as a multiset, in the answer; best reference."""
    got = grams(answer, lang)
    wanted = [grams(r, lang) for r in comparable(references, lang)]
    return max(((got & w).total() / w.total() for w in wanted), default=None)


def chrf(answer: str, references: Sequence[str], lang: Language) -> float | None:
    """sacrebleu's sentence chrF2 on normalised text, best reference; in [0, 100]."""
    wanted = [normal(r, lang) for r in comparable(references, lang)]
    return _chrf().sentence_score(normal(answer, lang), wanted).score if wanted else None


def chrf_signature() -> str:
    """sacrebleu's signature of the score above."""
    _chrf().sentence_score("a", ["a"])  # the signature counts the references of the last call
    return str(_chrf().get_signature())
