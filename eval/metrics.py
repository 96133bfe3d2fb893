"""Scores of one answer against its references. Pure: text in, number in [0, 1] (chrF: [0, 100]) out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import regex

from mlrag.languages import Language
from mlrag.text.normalize import scoring
from mlrag.text.tokens import scoring_tokens

_KOREAN = regex.compile(r"[\p{Hangul}\p{Nd}. ]*\p{Hangul}[\p{Hangul}\p{Nd}. ]*")  # "7번째" too


def exact_match(answer: str, references: Sequence[str], lang: Language) -> float:
    """1.0 if the answer equals a reference after normalising for the language."""
    normal = scoring(answer, lang)
    return float(bool(normal) and any(normal == scoring(r, lang) for r in references))


def token_f1(answer: str, references: Sequence[str], lang: Language) -> float:
    """Best 2PR / (P + R) over references, on token multisets (characters in unspaced scripts)."""
    got = Counter(scoring_tokens(answer, lang))
    return max((_f1(got, Counter(scoring_tokens(r, lang))) for r in references), default=0.0)


def _f1(got: Counter[str], wanted: Counter[str]) -> float:
    common = (got & wanted).total()
    return 2 * common / (got.total() + wanted.total()) if common else 0.0


def containment(answer: str, references: Sequence[str], lang: Language) -> float:
    """1.0 if a reference stands in the answer.

    As a run of whole tokens; or inside a word, since words inflect and numbers take endings ("180ක්"): a
    reference with four or more letters anywhere, a number or a Korean word at the start of one. A number
    never matches inside a longer number. A reference that normalises to nothing never counts.
    """
    tokens_there = scoring_tokens(answer, lang)
    text = scoring(answer, lang)
    return float(any(_stands(scoring(r, lang), scoring_tokens(r, lang), text, tokens_there) for r in references))


def _stands(reference: str, wanted: list[str], text: str, tokens_there: list[str]) -> bool:
    if not wanted:
        return False
    if any(tokens_there[i : i + len(wanted)] == wanted for i in range(len(tokens_there) - len(wanted) + 1)):
        return True
    inside = sum(c.isalpha() for c in reference) >= 4
    at_start = reference[-1].isdecimal() or bool(_KOREAN.fullmatch(reference))
    if not (inside or at_start):
        return False
    before = r"(?<!\d)(?<!\d\.)" if inside else r"(?<![\p{L}\p{M}\p{N}])(?<!\d\.)"
    return bool(
        regex.search(
            f"{before}{regex.escape(reference)}(?!\\d|\\.\\d)"
            if reference[-1].isdecimal()
            else f"{before}{regex.escape(reference)}",
            text,
        )
    )


def chrf(answer: str, references: Sequence[str], lang: Language) -> float:
    """sacrebleu's sentence chrF2 on normalised text, best reference; in [0, 100]."""
    from sacrebleu.metrics.chrf import CHRF

    scorer = CHRF()
    normal = scoring(answer, lang)
    return max((scorer.sentence_score(normal, [scoring(r, lang)]).score for r in references), default=0.0)


def chrf_signature() -> str:
    """sacrebleu's signature of the score above."""
    from sacrebleu.metrics.chrf import CHRF

    scorer = CHRF()
    scorer.sentence_score("a", ["a"])
    return str(scorer.get_signature())
