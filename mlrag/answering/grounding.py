"""Does the answer stay inside its passages? Script-aware checks that need no model.

What a check cannot decide in a language it names as unverified, and never passes in silence.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

from mlrag.languages import Language
from mlrag.text.normalize import normalize_for_search
from mlrag.text.sentences import sentence_spans
from mlrag.text.tokens import numbers, tokens

SUPPORT = 0.5  # share of a sentence's tokens that the sources hold; not validated against human labels in any language
_NAME = regex.compile(r"(?<![.!?:\n\"“„«‘(]\s{0,2})(?<=\S\s)\p{Lu}[\p{L}\p{M}'’-]+")
_CASED = {"Latin", "Greek", "Cyrillic"}


def numbers_without_source(text: str, sources: Iterable[str]) -> list[str]:
    """Numbers of the answer that stand in none of the sources, digits folded; sorted."""
    held: set[str] = set()
    for source in sources:
        held |= numbers(source)
    return sorted(numbers(text) - held)


def names_checkable(lang: Language) -> bool:
    """Can names be told from other words? Only in cased scripts that do not also capitalise common nouns."""
    return bool(_CASED & set(lang.scripts)) and not lang.nouns_capitalised


def names_without_source(text: str, sources: Iterable[str], lang: Language) -> list[str]:
    """Capitalised words inside sentences that stand in none of the sources, nor share five letters with a word there.

    Latin names inside a text of another script are checked too; other scripts' names cannot be told.
    """
    held = {word for source in sources for word in _words(source)}
    stems = {word[:5] for word in held}
    names = [] if lang.nouns_capitalised else _NAME.findall(text)
    return sorted({n for n in names if (m := normalize_for_search(n)) not in held and m[:5] not in stems})


def _words(text: str) -> list[str]:
    return regex.findall(r"[\p{L}\p{M}'’-]+", normalize_for_search(text))


def unsupported_sentences(text: str, sources: Iterable[str]) -> list[str]:
    """Sentences of the answer under half of whose tokens (words and their 4-grams, or bigrams) stand in the sources."""
    held = {token for source in sources for token in tokens(source)}
    sentences = [text[s.start : s.end] for s in sentence_spans(text)]
    return [s for s in sentences if (own := set(tokens(s))) and len(own & held) < SUPPORT * len(own)]
