"""Scores of one answer against its references. Pure: text in, number in [0, 1] (chrF: [0, 100]) out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlrag.languages import Language
from mlrag.text.normalize import scoring
from mlrag.text.tokens import scoring_tokens


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
    """1.0 if a reference's tokens stand as one run in the answer's.

    Words inflect (ta, tr, ko …): a reference of four or more letters may also stand inside a word. A
    reference that normalises to nothing never counts.
    """
    text = scoring_tokens(answer, lang)
    joined = scoring(answer, lang)
    for reference in references:
        wanted = scoring_tokens(reference, lang)
        if not wanted:
            continue
        if any(text[i : i + len(wanted)] == wanted for i in range(len(text) - len(wanted) + 1)):
            return 1.0
        flat = scoring(reference, lang)
        if sum(c.isalpha() for c in flat) >= 4 and flat in joined:
            return 1.0
    return 0.0


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
