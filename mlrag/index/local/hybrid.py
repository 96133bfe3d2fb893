"""Hybrid search over a generation: both legs, the pool, the fusion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlrag.index.fusion import POOL, fuse
from mlrag.index.local.snapshot import IndexSnapshot
from mlrag.index.local.store import Store
from mlrag.index.protocol import Ranker, SearchQuery, SearchResult
from mlrag.types import Hit, Vectors

_NOTHING = np.zeros(0, np.int64)


def search(store: Store, derived: IndexSnapshot, asked: SearchQuery) -> SearchResult:
    """The k best passages. The store must be in a snapshot of the generation's commit."""
    if not derived.live:
        return SearchResult(derived.commit, 0, (), (), 0.0, 0.0, {})
    idf = derived.lexical.idf(asked.question)
    positions, dense, lexical = _pool(derived, asked.vector, idf, _hidden(store, derived, asked))
    fused = fuse(dense, lexical, asked.readable)
    best = np.argsort(-fused, kind="stable")[: asked.k]
    rows = derived.rows[positions[best]].tolist()
    scores = (fused[best].tolist(), dense[best].tolist(), lexical[best].tolist())
    hits = tuple(Hit(*found) for found in zip(store.passages(rows), *scores, strict=True))
    sentences = tuple(store.sentences(rows[: asked.detailed]))
    return SearchResult(derived.commit, derived.live, hits, sentences, *derived.dense.spread(asked.vector), idf)


def ranking(store: Store, derived: IndexSnapshot, asked: SearchQuery, leg: Ranker) -> list[str]:
    """Passage ids by one leg alone or by both."""
    idf = derived.lexical.idf(asked.question)
    if leg == "dense":
        positions, _ = derived.dense.search(asked.vector, asked.k)
    elif leg == "lexical":
        positions, _ = derived.lexical.search(idf, asked.k)
    else:
        pool, dense, lexical = _pool(derived, asked.vector, idf, _NOTHING)
        positions = pool[np.argsort(-fuse(dense, lexical, asked.readable), kind="stable")[: asked.k]]
    return [p.id for p in store.passages(derived.rows[positions].tolist())]


def _hidden(store: Store, derived: IndexSnapshot, asked: SearchQuery) -> NDArray[np.int64]:
    """Positions that this search must not see."""
    if asked.only is None and not asked.exclude:
        return _NOTHING
    mask = np.zeros(len(derived.rows), bool)
    if asked.only is not None:
        mask |= ~np.isin(derived.rows, sorted(store.rows_of(sorted(asked.only))))
    if asked.exclude:
        mask |= np.isin(derived.rows, sorted(store.rows_of(sorted(asked.exclude))))
    return np.flatnonzero(mask)


def _pool(
    derived: IndexSnapshot, vector: Vectors, idf: Mapping[str, float], hidden: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Vectors, Vectors]:
    """(positions, dense, lexical) of the pooled top of both legs."""
    near, cosines = derived.dense.search(vector, POOL + len(hidden))
    matched, scores = derived.lexical.search(idf, POOL + len(hidden))
    positions = _united(near, matched)
    if len(hidden):
        positions = np.setdiff1d(positions, hidden)
        matched, scores = _seen(positions, matched, scores)
        near, cosines = _seen(positions, near, cosines)
    dense, lexical = np.zeros((2, len(positions)), np.float32)
    lexical[positions.searchsorted(matched)] = scores
    far, places = np.ones(len(positions), bool), positions.searchsorted(near)
    dense[places], far[places] = cosines, False
    dense[far] = derived.dense.score(vector, positions[far])
    return positions, dense, lexical


def _united(near: NDArray[np.int64], matched: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions that either leg found, in order: what `np.union1d` gives, which takes four times as long."""
    both = np.concatenate([near, matched])
    both.sort()
    first = np.ones(len(both), bool)
    np.not_equal(both[1:], both[:-1], out=first[1:])
    return both[first]


def _seen(positions: NDArray[np.int64], found: NDArray[np.int64], scores: Vectors) -> tuple[NDArray[np.int64], Vectors]:
    """What of a leg's hits stands among these positions."""
    kept = np.isin(found, positions)
    return found[kept], scores[kept]
