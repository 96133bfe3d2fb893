"""Hybrid search over an index snapshot: both rankers, the pool, the fusion."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlrag.index.fusion import POOL, fuse
from mlrag.index.local.snapshot import IndexSnapshot
from mlrag.index.local.store import Store
from mlrag.index.protocol import Ranker, SearchQuery, SearchResult
from mlrag.types import Hit, Vectors

Positions = NDArray[np.int64]
_NONE: Positions = np.zeros(0, np.int64)


def search(store: Store, snapshot: IndexSnapshot, query: SearchQuery) -> SearchResult:
    """Return the k best passages. The store must be in a read transaction of the snapshot's commit."""
    if not snapshot.live:
        return SearchResult(snapshot.commit, 0, (), (), 0.0, 0.0, {})
    idf = snapshot.lexical.idf(query.question)
    positions, dense, lexical = _pool(snapshot, query.vector, idf, _find_hidden(store, snapshot, query))
    fused = fuse(dense, lexical, query.readable)
    best = np.argsort(-fused, kind="stable")[: query.k]
    rows = snapshot.rows[positions[best]].tolist()
    scores = (fused[best].tolist(), dense[best].tolist(), lexical[best].tolist())
    hits = tuple(Hit(*values) for values in zip(store.passages(rows), *scores, strict=True))
    sentences = tuple(store.sentences(rows[: query.detailed]))
    mean, std = snapshot.dense.spread(query.vector)
    return SearchResult(snapshot.commit, snapshot.live, hits, sentences, mean, std, idf)


def rank(store: Store, snapshot: IndexSnapshot, query: SearchQuery, ranker: Ranker) -> list[str]:
    """Return the ids of the k best passages by one ranker alone or by both."""
    idf = snapshot.lexical.idf(query.question)
    if ranker == "dense":
        positions, _ = snapshot.dense.search(query.vector, query.k)
    elif ranker == "lexical":
        positions, _ = snapshot.lexical.search(idf, query.k)
    else:
        pool, dense, lexical = _pool(snapshot, query.vector, idf, _NONE)
        positions = pool[np.argsort(-fuse(dense, lexical, query.readable), kind="stable")[: query.k]]
    return [p.id for p in store.passages(snapshot.rows[positions].tolist())]


def _find_hidden(store: Store, snapshot: IndexSnapshot, query: SearchQuery) -> Positions:
    """Return the positions that this search must not see."""
    if query.only is None and not query.exclude:
        return _NONE
    hidden = np.zeros(len(snapshot.rows), bool)
    if query.only is not None:
        hidden |= ~np.isin(snapshot.rows, sorted(store.rows_of(sorted(query.only))))
    if query.exclude:
        hidden |= np.isin(snapshot.rows, sorted(store.rows_of(sorted(query.exclude))))
    return np.flatnonzero(hidden)


def _pool(
    snapshot: IndexSnapshot, vector: Vectors, idf: Mapping[str, float], hidden: Positions
) -> tuple[Positions, Vectors, Vectors]:
    """Return (positions, dense, lexical) of the pooled top of both rankers, in order of positions."""
    near, cosines = snapshot.dense.search(vector, POOL + len(hidden))
    matched, scores = snapshot.lexical.search(idf, POOL + len(hidden))
    positions = np.union1d(near, matched)
    if len(hidden):
        positions = np.setdiff1d(positions, hidden)
        matched, scores = _keep_pooled(positions, matched, scores)
        near, cosines = _keep_pooled(positions, near, cosines)
    dense, lexical = np.zeros((2, len(positions)), np.float32)
    lexical[positions.searchsorted(matched)] = scores
    is_near = np.zeros(len(positions), bool)
    is_near[positions.searchsorted(near)] = True
    dense[positions.searchsorted(near)] = cosines
    dense[~is_near] = snapshot.dense.score(vector, positions[~is_near])
    return positions, dense, lexical


def _keep_pooled(pool: Positions, found: Positions, scores: Vectors) -> tuple[Positions, Vectors]:
    """Return the hits of a ranker that are in the pool."""
    kept = np.isin(found, pool)
    return found[kept], scores[kept]
