"""Does an answer stay inside its passages? The bench's own layers of hallucination, without a model.

Other code than `mlrag/answering/grounding.py`, which guards `/ask` and never grades itself. Layer (b): numbers and
names that stand in no cited passage. Layer (c): sentences that no retrieved passage supports. Each gives None where
an answer has nothing to check: that is neither clean nor hallucinated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import regex

from eval.metrics.answers import GRAM, grams, normal
from eval.metrics.outcome import strip_citation_marks
from mlrag.languages import Language, language
from mlrag.text.normalize import fold_digits, lower, normalize_for_scoring
from mlrag.text.sentences import sentence_spans
from mlrag.types import Span

# Share of a sentence's 3-grams that one passage must hold. docs/measurement.md says how often each language's sentences
# of other topics fall below it, and questions in other words do; no human label has validated it.
SUPPORT, SUPPORT_DENSE = 0.5, 0.15  # DENSE: Han, Kana, Hangul, where chance overlap is rare
MIN_GRAMS = 5

_NUMBER = regex.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+(?!\d)|\d+(?:[.,٫٬'’]\d+)*")
_SEPARATOR = regex.compile(r"[.,٫٬'’ \u00a0\u2009\u202f]")
_CAPITALISED = regex.compile(r"\p{Lu}[\p{L}\p{M}]+")
_LATIN_WORD = regex.compile(r"\p{Latin}[\p{Latin}\p{M}]+")
_WORD = regex.compile(r"[\p{L}\p{M}]+")


@dataclass(frozen=True, slots=True)
class Missing:
    """Of `checked` units of an answer, those that no cited passage holds."""

    checked: int
    absent: tuple[str, ...]

    @property
    def any_absent(self) -> bool | None:
        """None where there was nothing to check."""
        return bool(self.absent) if self.checked else None


def readings(run: str) -> list[frozenset[Decimal]]:
    """Return every way to read a run of ASCII digits with separators: values that must all be in a source.

    "1,200": 1200 or 1.2. "13.5": 13.5. "9.9.2025": the three numbers 9, 9, 2025.
    """
    parts = _SEPARATOR.split(run)
    if len(parts) == 1:
        return [frozenset({Decimal(run)})]
    found = []
    last_three = len(parts[-1]) == 3
    if last_three and all(len(p) in (2, 3) for p in parts[1:-1]) and len(parts[0]) <= 3:
        found.append(frozenset({Decimal("".join(parts))}))
    if len(parts) == 2 or (len(parts) > 2 and all(len(p) in (2, 3) for p in parts[1:-1]) and not last_three):
        found.append(frozenset({Decimal(f"{''.join(parts[:-1])}.{parts[-1]}")}))
    if len(parts) == 3 or " " in run:
        found.append(frozenset(map(Decimal, parts)))
    return found or [frozenset(map(Decimal, parts))]


def numbers_absent(text: str, passages: Iterable[str]) -> Missing:
    """Numbers of the answer, and with them its dates, that none of the passages holds in any reading.

    Numbers written as words are not seen, on either side.
    """
    return _numbers_absent(text, tuple(passages))


@lru_cache(maxsize=2**17)
def _numbers_absent(text: str, passages: tuple[str, ...]) -> Missing:
    said = _runs(strip_citation_marks(text))
    held = frozenset().union(*map(_values, passages)) if said else frozenset()
    return Missing(len(said), tuple(run for run in said if not any(values <= held for values in readings(run))))


@lru_cache(maxsize=4096)
def _values(passage: str) -> frozenset[Decimal]:
    found: set[Decimal] = set()
    for run in _runs(passage):
        found.update(*readings(run))
    return frozenset(found)


def _runs(text: str) -> list[str]:
    return list(dict.fromkeys(_NUMBER.findall(fold_digits(text))))


def names_decidable(lang: Language) -> bool:
    """Do capital letters mark names in this language?"""
    return set(lang.scripts) == {"Latin"} and not lang.nouns_capitalised


def names_absent(text: str, passages: Sequence[str], lang: Language) -> Missing:
    """Names that no passage holds, where they can be told.

    In Latin scripts with capitals for names: capitalised words that do not begin a sentence. In other scripts:
    Latin words. An inflected form counts as held: one word may begin the other after four letters.
    """
    text = strip_citation_marks(text)
    if names_decidable(lang):
        pieces = [text[s.start : s.end] for s in spans(text)]
        said = [m.group() for piece in pieces for m in _CAPITALISED.finditer(piece) if _inside(piece, m.start())]
    else:
        said = [] if set(lang.scripts) == {"Latin"} else _LATIN_WORD.findall(text)
    said = list(dict.fromkeys(said))
    words = frozenset().union(*(_words(p, lang.code) for p in passages)) if said else frozenset()
    return Missing(len(said), tuple(w for w in said if not _is_held(lower(w, lang), words)))


def _inside(sentence: str, at: int) -> bool:
    return bool(_WORD.search(sentence[:at]))


@lru_cache(maxsize=1024)
def _words(passage: str, code: str) -> frozenset[str]:
    folded = lower(passage, language(code))
    return frozenset((*_WORD.findall(folded), *_LATIN_WORD.findall(folded)))


def _is_held(word: str, words: frozenset[str]) -> bool:
    if word in words:
        return True
    return any(min(len(w), len(word)) >= 4 and (w.startswith(word) or word.startswith(w)) for w in words)


def words_unverified(text: str, passages: Sequence[str], lang: Language) -> Missing | None:
    """Words that no passage resembles, where a name cannot be told from another word; None where it can.

    They may be invented names or only other wording: a reason to look, never a zero. A word is absent when under
    half of its 3-grams stand in the passages. In unspaced scripts a word is a run of characters.
    """
    if names_decidable(lang):
        return None
    held = [_passage_grams(p, lang.code) for p in passages]
    said = list(
        dict.fromkeys(w for w in normal(strip_citation_marks(text), lang).split() if sum(map(str.isalpha, w)) >= 3)
    )
    return Missing(len(said), tuple(w for w in said if _share_is_held(w, held, lang) < 0.5))


def _share_is_held(word: str, held: Sequence[frozenset[str]], lang: Language) -> float:
    found = grams(word, lang)
    there = [n for gram, n in found.items() if any(gram in passage for passage in held)]
    return sum(there) / max(1, found.total())


def support(sentence: str, passages: Iterable[str], lang: Language) -> float | None:
    """Share of a sentence's distinct character 3-grams in the passage that holds most; None below 5 of them."""
    wanted = grams(strip_citation_marks(sentence), lang).keys()
    if len(wanted) < MIN_GRAMS:
        return None
    held = (_passage_grams(p, lang.code) for p in passages)
    return max((len(passage.intersection(wanted)) / len(wanted) for passage in held), default=0.0)


@lru_cache(maxsize=1024)
def _passage_grams(text: str, code: str) -> frozenset[str]:
    """Those of `grams`, and others with a blank in them, which no word has: cutting the whole text is quicker."""
    text = normalize_for_scoring(text, language(code))
    short = [word for word in text.split() if len(word) < GRAM]
    return frozenset([*short, *[text[i : i + GRAM] for i in range(len(text) - GRAM + 1)]])


@lru_cache(maxsize=4096)
def spans(text: str) -> list[Span]:
    """`sentence_spans`, remembered. Read only."""
    return sentence_spans(text)


def unsupported_proportion(text: str, passages: Sequence[str], lang: Language) -> float | None:
    """Share of the answer's sentences whose support is below the threshold; None where none can be checked."""
    return _unsupported_proportion(text, tuple(passages), lang.code)


@lru_cache(maxsize=4096)
def _unsupported_proportion(text: str, passages: tuple[str, ...], code: str) -> float | None:
    lang, text = language(code), strip_citation_marks(text)
    found = [support(text[s.start : s.end], passages, lang) for s in spans(text)]
    checked = [f for f in found if f is not None]
    dense = not lang.spaced or "Hangul" in lang.scripts
    bar = SUPPORT_DENSE if dense else SUPPORT
    return sum(f < bar for f in checked) / len(checked) if checked else None
