"""Variants compared on toy rows whose answers can be counted."""

import pytest

from eval.results.compare import ScoredExample, compare, rank_variants
from eval.statistics import mcnemar_exact

TIERS = {"en": "T1", "ta": "T3", "si": "T3"}


def scored(values, clusters=None):
    """One row a value; each its own cluster unless `clusters` says how many rows share one."""
    return [ScoredExample(f"q{i}", f"c{i // (clusters or 1)}", v) for i, v in enumerate(values)]


def variants(**rows):
    return {name: {"ta": scored(v), "si": scored(v)} for name, v in rows.items()}


def test_wins_and_losses_are_counted_and_adjusted_over_languages():
    found = {c.group: c for c in compare(variants(good=[1] * 20, bad=[0] * 8 + [1] * 12), TIERS)}
    ta = found["ta"]
    assert (ta.first, ta.second, ta.first_only, ta.second_only) == ("good", "bad", 8, 0)
    assert ta.difference.value == pytest.approx(0.4)
    assert ta.p == ta.mcnemar == mcnemar_exact(8, 0)
    assert ta.adjusted == pytest.approx(2 * ta.p)


def test_a_tier_is_its_languages_mean_and_has_no_mcnemar():
    a = {"ta": scored([1, 1, 0, 0]), "si": scored([1, 0, 0, 0, 1, 1, 1, 1])}
    b = {"ta": scored([0, 0, 0, 0]), "si": scored([1, 0, 0, 0, 1, 1, 1, 1])}
    tier = next(c for c in compare({"a": a, "b": b}, TIERS) if c.group == "T3")
    assert tier.difference.value == pytest.approx(0.25)
    assert tier.mcnemar is None
    assert tier.p == tier.adjusted == tier.difference.p


def test_rows_of_a_shared_cluster_are_not_tested_as_independent():
    a, b = {"en": scored([1] * 12, 3)}, {"en": scored([0] * 6 + [1] * 6, 3)}
    found = compare({"a": a, "b": b}, TIERS)[0]
    assert found.mcnemar is None
    assert found.p > mcnemar_exact(6, 0)


def test_rows_that_only_one_has_are_left_out_and_counted():
    a, b = {"en": scored([1, 1, 1]), "ta": scored([1])}, {"en": scored([0, 0, 0])[1:], "si": scored([1])}
    found = compare({"a": a, "b": b}, TIERS)
    assert [c.group for c in found] == ["en", "T1"]
    assert (found[0].difference.n, found[0].unpaired) == (2, 1)


def test_the_rows_it_takes_follow_the_rows_that_differ():
    """2 of 10 rows differ: 150 for ten points."""
    found = compare(variants(a=[1, 0] + [1] * 8, b=[0, 1] + [1] * 8), TIERS, gap=0.1)
    assert found[0].needed == 150


def test_equal_variants_share_a_rank_and_a_clear_loser_does_not():
    rows = variants(x=[1] * 30, y=[1] * 30, z=[0] * 20 + [1] * 10)
    assert rank_variants(rows, TIERS) == {g: {"x": 1, "y": 1, "z": 2} for g in ("ta", "si", "T3")}


def test_ranks_stand_on_rows_that_all_have():
    rows = {"x": {"en": scored([1] * 30)}, "y": {"en": scored([0] * 30)[:20]}, "z": {"ta": scored([1])}}
    assert rank_variants(rows, TIERS) == {}
    assert rank_variants({k: rows[k] for k in "xy"}, TIERS)["en"] == {"x": 1, "y": 2}


def test_nothing_to_compare_is_nothing():
    assert compare({}, TIERS) == []
    assert rank_variants({}, TIERS) == {}


def test_two_values_for_an_example_are_refused():
    twice = {"en": scored([1, 0]) + scored([1])}
    with pytest.raises(ValueError, match="two values"):
        compare({"a": twice, "b": twice}, TIERS)
