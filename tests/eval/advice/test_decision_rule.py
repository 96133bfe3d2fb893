"""Better, or "cannot tell": the rule that decides, in worlds whose truth is known."""

import numpy as np
import pytest

from benchmarks.advice import bucket, follow, simulate
from benchmarks.advice_worlds import MARGIN, Runner, hard_world, plain_world
from eval.advice.decision_rule import ALPHA, Table, compute_losses, compute_mean, decide
from eval.statistics import macro_difference
from eval.statistics.student import student_quantile
from mlrag.models.variants import family
from tests.support.advice import table


@pytest.mark.parametrize("shared", [False, True])
def test_differences_are_those_of_the_statistics_page(shared):
    rng = np.random.default_rng(1)
    values = (rng.random((2, 400)) < [[0.6], [0.7]]).astype(float)
    cluster = np.arange(400) // 4 if shared else np.arange(400)
    found = compute_losses(table(values, 4, cluster))
    rows = {s: [(cluster[i], values[1, i] - values[0, i]) for i in range(s, 400, 4)] for s in range(4)}
    expected = macro_difference(rows)
    half = student_quantile(found.df) * found.variance[0, 1] ** 0.5
    assert found.means[1] - found.means[0] == pytest.approx(expected.value)
    assert found.gap[0, 1] - half == pytest.approx(expected.interval.low, abs=1e-3)
    assert found.gap[0, 1] + half == pytest.approx(expected.interval.high, abs=1e-3)


def test_of_equal_ones_the_cheapest_is_chosen_whatever_their_order():
    rows = np.tile(np.random.default_rng(0).random(3000) < 0.7, (3, 1))
    assert decide(table(rows), [2, 0, 1], 0.02).chosen == "b"
    assert decide(table(rows), [0, 1, 2], 0.02).chosen == "a"


def test_a_cheap_one_that_is_far_behind_is_passed_over():
    rng = np.random.default_rng(0)
    rows = rng.random((2, 500)) < [[0.5], [0.9]]
    ruling = decide(table(rows), [0, 1], 0.02)
    assert ruling.chosen == "b"
    assert [s.within for s in ruling.ranking] == [False, True]
    assert ruling.ranking[1].rival == "a"


def test_few_rows_tell_nothing_even_where_none_differ():
    ruling = decide(table(np.ones((2, 12))), [0, 1], 0.02)
    assert ruling.chosen is None
    assert ruling.more[0] > 50


def test_one_cluster_tells_nothing():
    rows = np.random.default_rng(0).random((2, 500)) < [[0.2], [0.9]]
    ruling = decide(table(rows, clusters=np.zeros(500, int)), [0, 1], 0.02)
    assert ruling.chosen is None
    assert ruling.more


def test_more_rows_are_asked_where_weight_and_doubt_are():
    rng = np.random.default_rng(3)
    rows = (rng.random((2, 400)) < 0.6).astype(float)
    stratum = np.repeat([0, 1], 200)
    ruling = decide(Table(("a", "b"), rows, stratum, np.arange(400), np.array([0.9, 0.1])), [0, 1], 0.02)
    assert ruling.chosen is None
    assert ruling.more[0] > 5 * ruling.more.get(1, 0)
    assert {*decide(table(rows), [0, 1], 0.02).more} == {0}


def test_asking_as_many_more_as_it_says_mostly_settles_it():
    """80 % power is promised if differences stay as seen: here they are what they were."""
    rng = np.random.default_rng(5)
    rates = np.array([[0.75], [0.80]])
    settled = 0
    for _ in range(40):
        ruling = decide(table(rng.random((2, 150)) < rates), [0, 1], 0.02)
        told = 150 + ruling.more.get(0, 0)
        settled += decide(table(rng.random((2, told)) < rates), [0, 1], 0.02).chosen == "b"
    assert settled >= 24


def test_the_means_own_interval_holds_it():
    mean, low, high = compute_mean(table([[1.0] * 90 + [0.0] * 10] * 2), 0)
    assert (mean, low < 0.9 < high) == (0.9, True)
    assert compute_mean(table(np.ones((2, 30))), 0)[1] < 0.9  # thirty right ones prove no perfection


@pytest.mark.parametrize(("values", "margin"), [(np.ones((1, 9)), 0.02), (np.ones((2, 9)), 0.0)])
def test_what_cannot_be_compared_is_a_callers_bug(values, margin):
    with pytest.raises(ValueError, match="two or more at a margin"):
        decide(table(values), [0, 1], margin)


@pytest.mark.parametrize("kind", ["plain", "hard"])
def test_it_is_wrong_in_at_most_one_world_of_twenty(kind):
    tally = simulate(kind, 200, 150)["eval.advise"]
    assert tally.wrong <= ALPHA * tally.worlds
    assert tally.chose > 0


def test_its_advice_can_be_followed_to_a_choice():
    tally, asked = follow("plain", 15)
    assert (tally.chose, tally.wrong, tally.infeasible) == (15, 0, 0)
    assert asked > 100


def test_hard_worlds_are_as_hard_as_they_can_be():
    rng = np.random.default_rng(0)
    loss = np.sort(hard_world(rng, 50).loss)
    assert loss[0] == 0
    assert loss[1:] == pytest.approx(MARGIN + 1e-4)
    assert plain_world(rng, 50).questions == 50


def test_the_parameter_count_puts_26b_beside_e4b():
    assert {name: bucket(Runner(spec, False, 0.0)) for name, spec in family().items()} == {
        "e2b": 45.0,
        "e4b": 60.0,
        "12b": 82.0,
        "26b": 60.0,
        "31b": 89.0,
    }
