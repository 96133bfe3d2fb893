"""Tokens of passages as packed postings, with lengths as Tantivy keeps them, so that BM25 comes out the same.

A posting is one 64-bit number: the passage's row << 32 | its length << 16 | how often the token stands in it, the two
up to 65,535.
"""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlrag.text.tokens import tokens

K1, B = 1.2, 0.75  # Tantivy's
_MOST = 0xFFFF
_LONGEST = 400  # bytes of a token; PostgreSQL's indexes hold no more than 2700
_EXACT = 24


def kept_length(count: int) -> int:
    """The largest length up to `count` that one byte can say: exact to 40, then with four significant bits.

    The encoding is Lucene's SmallFloat.byte4ToInt, which Tantivy took over.
    """
    return _LENGTHS[bisect.bisect_right(_LENGTHS, count) - 1]


def _decode(byte: int) -> int:
    if byte < _EXACT:
        return byte
    bits, shift = (byte - _EXACT) & 7, ((byte - _EXACT) >> 3) - 1
    return _EXACT + (bits if shift < 0 else (bits | 8) << shift)


_LENGTHS = [_decode(byte) for byte in range(256)]


@dataclass(frozen=True, slots=True)
class Block:
    """Postings of one token. `bound`: the most that f / (f + k1 × (1 - b + b × length / average)) is in any of them."""

    token: str
    bound: float
    packed: tuple[int, ...]


def postings(text: str) -> tuple[Counter[str], int]:
    """How often each token stands in a text, and how many tokens it has."""
    found = tokens(text)
    return Counter(map(key, found)), len(found)


def blocks(rows: Iterable[int], counted: Sequence[tuple[Counter[str], int]], average: float) -> Iterator[Block]:
    """The postings of some passages by token; `average`: the mean length of a passage."""
    numbers: dict[str, int] = {}
    which = np.array([numbers.setdefault(t, len(numbers)) for found, _ in counted for t in found], np.int64)
    frequency = np.array([min(f, _MOST) for found, _ in counted for f in found.values()], np.int64)
    tokens_of = [len(found) for found, _ in counted]
    length = np.repeat([min(kept_length(n), _MOST) for _, n in counted], tokens_of)
    packed = np.repeat(np.fromiter(rows, np.int64), tokens_of) << 32 | length << 16 | frequency
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(numbers)))
    weights = frequency / (frequency + K1 * (1 - B + B * length / average))
    bounds = np.maximum.reduceat(weights[order], starts).tolist() if len(starts) else []
    lists = np.split(packed[order], starts[1:])
    return (Block(t, b, tuple(p.tolist())) for t, b, p in zip(numbers, bounds, lists, strict=False))


def key(token: str) -> str:
    """The token, or what stands for one too long to be indexed."""
    if len(token) * 4 <= _LONGEST or len(token.encode()) <= _LONGEST:
        return token
    return "#" + hashlib.sha256(token.encode()).hexdigest()
