"""sacrebleu's sentence chrF2, counted from the shorter text: the same numbers for less work.

sacrebleu counts every n-gram of both texts. What it needs is the n-grams that they share, and those of a reference of
two words are few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ORDER, BETA = 6, 2  # sacrebleu's own: character n-grams up to six, recall weighs twice
_SHORT = 64  # characters; a longer text is counted whole rather than looked up gram by gram


def sentence_chrf(text: str, references: Sequence[str]) -> float:
    """chrF2 in [0, 100] against the best reference, blanks left out. Popović 2015; `references` must not be empty."""
    said = "".join(text.split())
    return max(_chrf(said, "".join(reference.split())) for reference in references)


def _chrf(said: str, wanted: str) -> float:
    """F of the mean precision and the mean recall, over the orders that both texts have."""
    orders = min(ORDER, len(said), len(wanted))
    shared = _shared(said, wanted, orders)
    if not any(shared):
        return 0.0
    precision = sum(n / (len(said) - i) for i, n in enumerate(shared)) / orders
    recall = sum(n / (len(wanted) - i) for i, n in enumerate(shared)) / orders
    square = BETA**2
    return 100 * ((1 + square) * precision * recall / ((square * precision) + recall))


def _shared(said: str, wanted: str, orders: int) -> list[int]:
    """How many n-grams of 1, 2, … characters the texts have in common, as multisets."""
    few, many = sorted((said, wanted), key=len)
    found: list[int] = []
    for n in range(1, orders + 1):
        grams = Counter([few[i : i + n] for i in range(len(few) - n + 1)])
        found.append(_held(grams, many, n))
        if not found[-1]:  # nor do they share anything longer
            return found + [0] * (orders - n)
    return found


def _held(grams: Counter[str], text: str, n: int) -> int:
    if len(grams) > _SHORT:
        there = Counter([text[i : i + n] for i in range(len(text) - n + 1)])
        return sum(min(count, there[gram]) for gram, count in grams.items() if gram in there)
    return sum(1 if count == 1 else min(count, _times(gram, text)) for gram, count in grams.items() if gram in text)


def _times(gram: str, text: str) -> int:
    """Occurrences, overlapping ones too."""
    found, at = 0, text.find(gram)
    while at >= 0:
        found, at = found + 1, text.find(gram, at + 1)
    return found
