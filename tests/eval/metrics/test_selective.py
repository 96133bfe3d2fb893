"""Risk against coverage, and figures made of several rates."""

import numpy as np
import pytest

from eval.metrics.selective import Point, area, area_interval, harmonic, joint_interval, risk_coverage


def test_the_curve_is_the_one_worked_out_by_hand():
    assert risk_coverage([0.9, 0.5, 0.7], [0, 1, 0]) == [Point(1 / 3, 0.0), Point(2 / 3, 0.0), Point(1.0, 1 / 3)]
    assert area([0.9, 0.5, 0.7], [0, 1, 0]) == pytest.approx((0 + 0 + 1 / 3) / 3)
    assert area([0.5, 0.9, 0.7], [0, 1, 0]) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_equal_confidences_have_no_order():
    assert risk_coverage([0.5, 0.5], [1, 0]) == risk_coverage([0.5, 0.5], [0, 1]) == [Point(1.0, 0.5)]
    assert area([0.5] * 4, [1, 0, 0, 0]) == pytest.approx(1 / 4)


def test_the_area_has_an_interval_that_holds_it():
    rng = np.random.default_rng(0)
    sure = rng.random(60)
    wrong = (rng.random(60) > sure).astype(float)
    rows = [[(f"c{i % 20}", float(v)) for i, v in enumerate(values)] for values in (sure, wrong)]
    found = area_interval(*rows)
    assert found.low < area(sure.tolist(), wrong.tolist()) < found.high


def test_a_harmonic_mean_is_nothing_without_either_half():
    assert harmonic(np.array([1.0, 0.0, 0.0, 0.5]), np.array([0.0, 1.0, 0.0, 0.5])).tolist() == [0, 0, 0, 0.5]


def test_a_joined_figure_draws_whole_clusters_for_all_parts():
    parts = {"a": [(f"c{i}", float(i % 2)) for i in range(40)], "b": [(f"c{i}", float(i % 2)) for i in range(40)]}
    same = joint_interval(parts, lambda means: means["a"] - means["b"])
    assert (same.low, same.high) == (0.0, 0.0)
    apart = joint_interval(parts, lambda means: harmonic(means["a"], means["b"]))
    assert 0.3 < apart.low < 0.5 < apart.high < 0.7
