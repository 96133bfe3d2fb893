"""Gemma 4's thoughts, where a server leaves them in the text: "<|channel>thought … <channel|>answer"."""

from __future__ import annotations

from mlrag.generation.backends.base import CompletionChunk

_OPEN, _CLOSE = "<|channel>thought", "<channel|>"


class ThinkingTagParser:
    """Splits a text that comes in pieces, wherever they cut a mark in two. A block that never closes is thinking."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a mark, perhaps
        self._thinking = False

    def feed(self, text: str) -> CompletionChunk:
        parts = {False: "", True: ""}
        self._held += text
        while (at := self._held.find(self._mark)) >= 0:
            parts[self._thinking] += self._held[:at]
            self._held = self._held[at + len(self._mark) :]
            self._thinking = not self._thinking
        sure = len(self._held) - _count_tag_start(self._held, self._mark)
        parts[self._thinking] += self._held[:sure]
        self._held = self._held[sure:]
        return CompletionChunk(parts[False], parts[True])

    def rest(self) -> CompletionChunk:
        """What was held back, when no more comes."""
        held, self._held = self._held, ""
        return CompletionChunk(thinking=held) if self._thinking else CompletionChunk(held)

    @property
    def _mark(self) -> str:
        return _CLOSE if self._thinking else _OPEN


def _count_tag_start(text: str, mark: str) -> int:
    """How many of the last characters may be the beginning of `mark`."""
    return next((n for n in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:n])), 0)
