"""Rungs of the dense leg: the same best passages as an exact scan, or the method is not taken."""

import numpy as np
import pytest

from mlrag.index.local import segment
from mlrag.index.local.dense import DenseIndex

RNG = np.random.default_rng(0)
NOTHING_GONE = np.zeros(0, np.int64)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def vectors():
    """3,000 with what e5's have: clusters, and one direction that all share."""
    topics = RNG.standard_normal((60, 384))
    return unit(topics.repeat(50, 0) + 0.7 * RNG.standard_normal((3000, 384)) + 3).astype(np.float16)


@pytest.fixture(scope="module")
def queries(vectors):
    chosen = vectors[::15].astype(np.float32)
    return unit(chosen + 0.01 * RNG.standard_normal(chosen.shape)).astype(np.float32)


def built(folder, vectors, queries):
    DenseIndex.build(vectors, folder, lambda: queries)
    return DenseIndex(folder, NOTHING_GONE)


@pytest.mark.parametrize("name", ["rabitq", "ivf"])
def test_a_rung_finds_what_a_scan_finds(tmp_path, monkeypatch, vectors, queries, name):
    monkeypatch.setattr(segment, "FLAT_UP_TO", 1000)
    monkeypatch.setattr(segment, "IVF_FROM", 1000 if name == "ivf" else 10**9)
    index = built(tmp_path, vectors, queries)
    method = index.search_methods[0]
    assert (method.name, method.sample) == (name, 200) and method.recall >= segment.RECALL
    found = 0
    for query in queries:
        exact = vectors.astype(np.float32) @ query
        positions, cosines = index.search(query, 10)
        assert np.allclose(cosines, exact[positions], atol=1e-6) and (np.diff(cosines) <= 0).all()
        found += len(np.intersect1d(positions, np.argsort(-exact)[:10]))
    assert found / (10 * len(queries)) == pytest.approx(method.recall, abs=0.005)


def test_a_rung_that_misses_too_much_is_not_taken(tmp_path, monkeypatch, vectors, queries):
    monkeypatch.setattr(segment, "FLAT_UP_TO", 1000)
    monkeypatch.setattr(segment, "_CANDIDATES", (1,))
    monkeypatch.setattr(segment, "RECALL", 1.01)
    assert built(tmp_path, vectors, queries).search_methods == [segment.SearchMethod("flat")]


def test_without_sentences_to_measure_with_there_is_a_scan(tmp_path, monkeypatch, vectors):
    monkeypatch.setattr(segment, "FLAT_UP_TO", 1000)
    assert built(tmp_path, vectors, np.zeros((0, 384), np.float32)).search_methods == [segment.SearchMethod("flat")]


def test_segments_of_different_rungs_answer_as_one(tmp_path, monkeypatch, vectors, queries):
    monkeypatch.setattr(segment, "FLAT_UP_TO", 1000)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = built(tmp_path / "old", vectors[:2800], queries)
    gone = np.array([0, 15, 30])
    old.extend(vectors[2800:], gone, tmp_path / "new", lambda: queries)
    new = DenseIndex(tmp_path / "new", gone)
    assert [r.name for r in new.search_methods] == ["rabitq", "flat"] and len(new) == 2997
    for query in queries[::20]:
        exact = vectors.astype(np.float32) @ query
        exact[gone] = -1
        positions, _ = new.search(query, 10)
        assert len(np.intersect1d(positions, np.argsort(-exact)[:10])) >= 9
        assert new.spread(query) == pytest.approx(
            (np.delete(exact, gone).mean(), np.delete(exact, gone).std()), abs=1e-4
        )
