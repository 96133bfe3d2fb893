"""Does the answer stay inside its passages? Script-aware checks that need no model."""

from __future__ import annotations

from collections.abc import Iterable

from mlrag.text.tokens import numbers


def numbers_without_source(text: str, sources: Iterable[str]) -> list[str]:
    """Numbers of the answer that stand in none of the sources, digits folded; sorted."""
    held: set[str] = set()
    for source in sources:
        held |= numbers(source)
    return sorted(numbers(text) - held)
