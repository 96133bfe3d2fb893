"""What the speed benchmark prints: its figures are measured elsewhere, its arithmetic here."""

from __future__ import annotations

import tomllib
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import capacity
from benchmarks.common_tokens import left_out, looked_for
from benchmarks.run import line, number
from benchmarks.speed import mixing
from benchmarks.speed.corpus import clocked
from benchmarks.speed.drawing import draw
from benchmarks.speed.measure import Goal, Growth, Row, Timed, by_turns
from mlrag.index.local.lexical import LexicalIndex
from mlrag.models.memory_fit import kv_bytes
from mlrag.models.variants import family


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("ours", "<=", 2), True),
        (Goal("ours", "<=", 1.9), False),
        (Goal("ratio", ">=", 0.5), True),
        (Goal("ratio", "<=", 0.4), False),
        (None, None),
    ],
)
def test_a_goal_is_held_against_its_own_column(goal, met):
    assert Row("p", "w", "ms", 2.0, 1, peer=4.0, ratio=0.5, goal=goal).met is met


def test_what_was_not_measured_meets_nothing_and_shows_no_number():
    row = Row("peers", "index", "us", None, 0, goal=Goal("ours", "<=", 1), note="not installed")
    assert row.met is None
    assert "– us" in line(row)
    assert "not installed" in line(row)


def test_the_best_round_counts_and_the_worst_is_told():
    turns = iter([3.0, 10.0, 2.0, 20.0])
    found = by_turns({"ours": lambda: next(turns), "peer": lambda: next(turns)}, 2)
    assert found == {"ours": Timed((3.0, 2.0)), "peer": Timed((10.0, 20.0))}
    assert (found["ours"].best, found["ours"].spread, found["peer"].spread) == (2.0, 1.5, 2.0)


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0.01234, "0.0123"), (12.34, "12.3"), (12345.6, "12,346")])
def test_numbers_show_three_digits_that_count(value, shown):
    assert number(value) == shown


def test_mixed_vectors_have_length_one_and_are_spread_as_the_real_ones(monkeypatch):
    chance = np.random.default_rng(0)
    vectors = chance.standard_normal((300, 384)).astype(np.float32) / 384**0.5 + 0.08
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    near = np.argsort(-vectors @ vectors.T, axis=1)[:, 1:101]
    monkeypatch.setattr(mixing, "real", lambda: mixing.Real(["x"] * 300, vectors, near))
    made = mixing.mixed(2000)
    assert np.linalg.norm(made.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert made.vectors.var(0).sum() == pytest.approx(vectors.var(0).sum(), rel=0.05)
    assert made.parts.shape == (2000, mixing.SHOWN) and (mixing.mixed(2000).parts == made.parts).all()


def test_a_curve_is_well_formed_and_equal_steps_are_equally_far():
    growth = Growth("x", "A < B", "passages", "ms", {"ours": [(10, 1), (100, 10), (1000, 100)]})
    root = ElementTree.fromstring(draw(growth))
    places = [p.get("transform") for p in root.iter("{http://www.w3.org/2000/svg}path") if p.get("transform")]
    across = [float(p.removeprefix("translate(").split()[0]) for p in places]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)


def test_a_gpu_takes_as_long_as_it_reads_and_computes():
    units = tomllib.loads(capacity.UNITS.read_text(encoding="utf-8"))
    spec = family()["e2b"]
    assumed, gpu = units["assumed"], units["gpu"]
    plain, count = capacity.gpu_seconds(spec, units, thinking=False)
    thought, _ = capacity.gpu_seconds(spec, units, thinking=True)
    a_token = (thought - plain) / assumed["thoughts"]
    assert count == 1
    assert plain - assumed["reply"] * a_token == pytest.approx(assumed["prompt"] * 2 * 2.3e9 / gpu["flops"])
    assert a_token > kv_bytes(spec, assumed["context"]) / gpu["bandwidth"]  # each token's own cache is read


def test_a_model_that_one_gpu_hardly_holds_is_spread_over_several():
    units = tomllib.loads(capacity.UNITS.read_text(encoding="utf-8"))
    assert capacity.gpu_seconds(family()["31b"], units, thinking=False)[1] > 1


class Worker:
    def plain(self, n):
        return n + 1

    @classmethod
    def of_class(cls, n):
        return n + 2

    @staticmethod
    def alone(n):
        return n + 3


def test_a_watched_method_works_as_before_and_is_itself_again_after():
    own, spent = dict(vars(Worker)), {}
    with (
        clocked(spent, "plain", Worker, "plain"),
        clocked(spent, "of class", Worker, "of_class"),
        clocked(spent, "alone", Worker, "alone"),
    ):
        assert (Worker().plain(1), Worker.of_class(1), Worker.alone(1)) == (2, 3, 4)
    assert set(spent) == {"plain", "of class", "alone"}
    assert dict(vars(Worker)) == own


def test_a_step_that_was_not_taken_keeps_what_it_cost_before():
    spent = {"plain": 7.0}
    with clocked(spent, "plain", Worker, "plain"):
        pass
    assert spent == {"plain": 7.0}


@pytest.mark.parametrize("share", [1 / 2, 1 / 3, 1 / 5])
def test_tokens_said_to_be_looked_for_are_those_that_the_index_looks_for(tmp_path, share):
    texts = [f"the dam{' of the river' * (n % 3 == 0)} {'Aswan' * (n % 4 == 0)} number {n}" for n in range(40)]
    index = LexicalIndex.build(texts, tmp_path / "lexical")
    terms = index.idf("the dam of Aswan number 7")
    kept = {t: terms[t] for t in looked_for(terms, share)}
    assert len(kept) < len(terms)
    with left_out(share):
        positions, scores = index.search(terms, 10)
    with left_out(1.0):
        wanted = index.search(kept, 10)
    assert positions.tolist() == wanted[0].tolist()
    assert scores == pytest.approx(wanted[1])
