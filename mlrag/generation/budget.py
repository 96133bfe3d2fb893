"""How many tokens a text takes, where the model's own tokenizer cannot be asked."""

from __future__ import annotations

_BYTES_PER_TOKEN = 2.0  # low on purpose: no script has fewer UTF-8 bytes a token in Gemma's vocabulary


def estimate(text: str) -> int:
    """Tokens from above: UTF-8 bytes / 2."""
    return int(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN) + 1


def fewest(text: str) -> int:
    """Tokens from below: a backend that says it read fewer did not read the whole text."""
    return len(text.encode("utf-8", "replace")) // 16
