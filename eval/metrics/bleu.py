"""BLEU over the rows of one language, with a tokenizer that fits it; refused where references are short answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.metrics.answers import comparable, normal, token_count
from mlrag.languages import Language

MIN_TOKENS = 6  # BLEU counts 4-grams: an answer of one to five words has hardly any
_UNSPACED = 2  # a word of an unspaced script is about two characters


@dataclass(frozen=True, slots=True)
class Bleu:
    """Corpus BLEU in [0, 100] over the n rows whose references are all long, with sacrebleu's signature."""

    score: float
    n: int
    signature: str


def bleu_tokenizer(lang: Language) -> str:
    """sacrebleu's name of the tokenizer: "13a" for Latin letters, "zh" for Han without Kana, else "char".

    13a knows ASCII punctuation only and gives a Chinese sentence 0. The mecab tokenizers of Japanese and Korean
    need packages of their own; characters need none and keep Indic words whole in every n-gram.
    """
    if set(lang.scripts) == {"Latin"}:
        return "13a"
    return "zh" if set(lang.scripts) == {"Han"} else "char"


def is_long(reference: str, lang: Language) -> bool:
    """Has a reference enough words for BLEU?"""
    return token_count(reference, lang) >= MIN_TOKENS * (1 if lang.spaced else _UNSPACED)


def corpus_bleu(answers: Sequence[str], references: Sequence[Sequence[str]], lang: Language) -> Bleu | None:
    """BLEU on normalised text; rows with a short reference are left out, None where that leaves none."""
    from sacrebleu.metrics.bleu import BLEU

    rows = []
    for answer, given in zip(answers, references, strict=True):
        wanted = comparable(given, lang)
        if wanted and all(is_long(r, lang) for r in wanted):
            rows.append((normal(answer, lang), [normal(r, lang) for r in wanted]))
    if not rows:
        return None
    widest = max(len(wanted) for _, wanted in rows)
    streams = [[wanted[i] if i < len(wanted) else "" for _, wanted in rows] for i in range(widest)]
    scorer = BLEU(tokenize=bleu_tokenizer(lang))
    score = scorer.corpus_score([answer for answer, _ in rows], streams).score
    return Bleu(float(score), len(rows), str(scorer.get_signature()))
