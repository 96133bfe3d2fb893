"""How much of one text stands in another, letter by letter, in any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping

from mlrag.languages import Language
from mlrag.text.normalize import matching

RUN_SPACED, RUN_UNSPACED = 32, 12  # letters; about six words, and about a sentence's half in Han or Kana
GRAM = 4


def letters(text: str) -> str:
    """Letters, marks and digits in matching form; no blanks, no punctuation."""
    return "".join(c for c in matching(text) if unicodedata.category(c)[0] in "LMN")


def run_length(lang: Language) -> int:
    """Letters in a run that two texts do not share by chance."""
    return RUN_SPACED if lang.spaced else RUN_UNSPACED


def runs(text: str, length: int) -> set[str]:
    """Every run of `length` letters; a shorter text is one run, an empty one none."""
    held = letters(text)
    return {held[i : i + length] for i in range(max(1, len(held) - length + 1))} if held else set()


def share(text: str, others: Collection[str], length: int) -> float:
    """Share of the text's runs that stand among `others`, in [0, 1]; 0 for a text without letters."""
    own = runs(text, length)
    return sum(run in others for run in own) / len(own) if own else 0.0


def dice(first: str, second: str) -> float:
    """2 × shared / (both), on the sets of 4-grams of letters, in [0, 1]; 1 for equal texts."""
    a, b = runs(first, GRAM), runs(second, GRAM)
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def groups(texts: Mapping[str, str], length: int, enough: float) -> list[tuple[str, ...]]:
    """The texts' ids, those together that share at least `enough` of their runs with one of the group; sorted."""
    group_of: dict[str, set[str]] = {}
    holder: dict[str, str] = {}
    for name in sorted(texts):
        group_of[name] = {name}
        own = runs(texts[name], length)
        met: dict[str, int] = {}
        for run in own:
            first = holder.setdefault(run, name)
            met[first] = met.get(first, 0) + 1
        for other in [o for o, n in met.items() if o != name and n >= enough * len(own)]:
            _join(group_of, name, other)
    return sorted({tuple(sorted(members)) for members in group_of.values()})


def _join(group_of: dict[str, set[str]], first: str, second: str) -> None:
    joined: set[str] = group_of[first] | group_of[second]
    for name in joined:
        group_of[name] = joined


def runs_of(texts: Iterable[str], length: int) -> set[str]:
    """The runs of all of them."""
    return {run for text in texts for run in runs(text, length)}
