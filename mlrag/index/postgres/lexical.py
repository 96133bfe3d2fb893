"""Tokens of a passage as postings, with its length as Tantivy keeps it, so that BM25 comes out the same."""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter

from mlrag.text.tokens import tokens

_LONGEST = 400  # bytes of a token; PostgreSQL's indexes hold no more than 2700
_EXACT = 24


def kept_length(count: int) -> int:
    """The largest length up to `count` that one byte can say: exact to 40, then with four significant bits.

    The encoding is Lucene's SmallFloat.byte4ToInt, which Tantivy took over.
    """
    return _LENGTHS[bisect.bisect_right(_LENGTHS, count) - 1]


def _decoded(byte: int) -> int:
    if byte < _EXACT:
        return byte
    bits, shift = (byte - _EXACT) & 7, ((byte - _EXACT) >> 3) - 1
    return _EXACT + (bits if shift < 0 else (bits | 8) << shift)


_LENGTHS = [_decoded(byte) for byte in range(256)]


def postings(text: str) -> tuple[Counter[str], int]:
    """How often each token stands in a text, and how many tokens it has."""
    found = tokens(text)
    return Counter(map(key, found)), len(found)


def key(token: str) -> str:
    """The token, or what stands for one too long to be indexed."""
    if len(token) * 4 <= _LONGEST or len(token.encode()) <= _LONGEST:
        return token
    return "#" + hashlib.sha256(token.encode()).hexdigest()
