"""Intervals and tests by hand arithmetic or from published tables. Coverage: benchmarks/coverage.py."""

import math
from fractions import Fraction

import numpy as np
import pytest

from eval.statistics import (
    Interval,
    bootstrap,
    cluster_bootstrap,
    clustered_mean,
    clustered_rate,
    holm,
    macro_difference,
    macro_mean,
    macro_rate,
    mcnemar_exact,
    needed_n,
    paired_bootstrap,
    paired_difference,
    ppi,
    rank_groups,
    rule_of_three,
    wilson,
)
from eval.statistics.student import student_quantile, student_tails


def near(low, high, rel=1e-4):
    return pytest.approx((low, high), rel=rel, abs=1e-9)


def ends(interval):
    return interval.low, interval.high


def ratio(sums):
    return sums[:, 0] / sums[:, 1]


@pytest.mark.parametrize(
    ("df", "t"), [(1, 12.7062), (2, 4.3027), (4, 2.7764), (10, 2.2281), (30, 2.0423), (120, 1.9799), (10**6, 1.95996)]
)
def test_quantiles_of_t_are_those_of_the_tables(df, t):
    assert student_quantile(df) == pytest.approx(t, abs=5e-5)


@pytest.mark.parametrize("t", [0.0, 0.3, 2.0, 50.0])
def test_tails_of_t_are_the_closed_forms(t):
    assert student_tails(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t))
    assert student_tails(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), abs=1e-12)


def test_t_without_a_degree_of_freedom_knows_nothing():
    assert student_quantile(0) == math.inf
    assert student_tails(3.0, 0) == 1


@pytest.mark.parametrize(  # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_the_published_table(hits, n, low, high):
    assert ends(wilson(hits / n, n)) == pytest.approx((low, high), abs=5e-5)


def test_no_rows_say_nothing():
    assert wilson(0.0, 0) == Interval(0.0, 1.0)
    assert clustered_rate([], []) == Interval(0.0, 1.0)
    assert math.isnan(clustered_mean([], []).low)
    assert math.isnan(cluster_bootstrap([], []).low)
    assert math.isnan(paired_difference([], []).value)
    assert rule_of_three(0) == 1


def test_the_rule_of_three_is_three_over_n():
    assert rule_of_three(100) == 0.03
    assert rule_of_three(2) == 1


def test_a_rate_of_independent_rows_is_wilsons():
    assert ends(clustered_rate([True] * 15 + [False] * 133, range(148))) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_rows_that_repeat_their_cluster_count_once():
    values = [float(i % 4 == 0) for i in range(100)]
    once, twice = clustered_rate(values, range(100)), clustered_rate(values * 2, [*range(100)] * 2)
    assert ends(twice) == pytest.approx(ends(once), abs=0.002)


def test_a_rate_of_rows_all_alike_counts_clusters():
    assert ends(clustered_rate([0.0] * 60, [i // 3 for i in range(60)])) == near(*ends(wilson(0, 20)))
    assert ends(clustered_rate([1.0] * 60, [i // 3 for i in range(60)])) == near(*ends(wilson(1, 20)))
    assert ends(clustered_rate([1, 0, 1], ["a"] * 3)) == near(*ends(wilson(2 / 3, 1)))


def test_a_clustered_mean_by_hand():
    """Sums of residuals 1, -1, 0: SE = sqrt(3 / 2 * 2) / 6; t(2) = 4.302653."""
    half = 4.302653 * math.sqrt(1 / 12)
    assert ends(clustered_mean([1, 1, 0, 0, 0.5, 0.5], "aabbcc")) == near(0.5 - half, 0.5 + half)


def test_one_cluster_has_no_clustered_mean_and_equal_values_no_width():
    assert clustered_mean([1, 2], "aa") == Interval(-math.inf, math.inf)
    assert clustered_mean([3.0, 3.0], "ab") == Interval(3.0, 3.0)


def test_a_macro_mean_keeps_shared_items_together():
    """Joint: as three clusters of two. Apart: SE = sqrt(SE_1^2 + SE_2^2) / 2 = sqrt(1 / 24), t(4) = 2.776445."""
    values = [1, 0, 0.5]
    shared = macro_mean({"en": list(zip("xyz", values, strict=True)), "si": list(zip("xyz", values, strict=True))})
    apart = macro_mean({"en": list(zip("xyz", values, strict=True)), "si": list(zip("uvw", values, strict=True))})
    assert ends(shared.interval) == near(0.5 - 4.302653 / math.sqrt(12), 0.5 + 4.302653 / math.sqrt(12))
    assert ends(apart.interval) == near(0.5 - 2.776445 / math.sqrt(24), 0.5 + 2.776445 / math.sqrt(24))
    assert (shared.value, shared.n) == (0.5, 6)


def test_a_macro_rate_weighs_languages_alike():
    found = macro_rate({"en": [(i, 1.0) for i in range(90)], "si": [(i, float(i < 5)) for i in range(10)]})
    assert found.value == 0.75
    assert found.value in found.interval


def test_a_macro_rate_of_one_language_is_its_rate():
    rows = [(i // 3, float(i % 7 == 0)) for i in range(60)]
    assert macro_rate({"ta": rows}).interval == clustered_rate([v for _, v in rows], [c for c, _ in rows])


def test_a_macro_rate_of_nothing_seen_counts_items_once():
    zeros = [(i, 0.0) for i in range(50)]
    assert ends(macro_rate({"en": zeros, "si": zeros}).interval) == near(*ends(wilson(0, 50)))
    apart = macro_rate({"en": zeros, "si": [(i + 50, 0.0) for i in range(50)]})
    assert ends(apart.interval) == near(*ends(wilson(0, 100)))


def test_a_language_without_rows_has_no_macro_mean():
    with pytest.raises(ValueError, match="'si': 0"):
        macro_mean({"en": [("a", 1.0)], "si": []})


def test_the_bootstrap_is_seeded_and_near_the_closed_form():
    values, clusters = np.random.default_rng(0).random(200), [i // 5 for i in range(200)]
    found = cluster_bootstrap(values, clusters, seed=3)
    assert found == cluster_bootstrap(values, clusters, seed=3)
    assert found != cluster_bootstrap(values, clusters, seed=4)
    assert found.width == pytest.approx(clustered_mean(values, clusters).width, rel=0.1)


def test_many_clusters_in_random_groups_are_as_wide():
    values, clusters = np.random.default_rng(0).random(6000), [i // 2 for i in range(6000)]
    assert cluster_bootstrap(values, clusters).width == pytest.approx(clustered_mean(values, clusters).width, rel=0.15)


def test_bca_leans_to_the_long_tail():
    table = np.c_[np.random.default_rng(0).lognormal(0, 1, 60), np.ones(60)]
    plain, leaning = bootstrap(table, ratio), bootstrap(table, ratio, method="bca")
    assert leaning.low > plain.low
    assert leaning.high > plain.high


def test_a_bootstrap_of_rows_all_alike_has_no_width_and_of_one_cluster_no_value():
    assert bootstrap([[2, 4]] * 9, ratio, method="bca") == Interval(0.5, 0.5)
    assert math.isnan(bootstrap([[2, 4]] * 9, ratio, "a" * 9).high)


@pytest.mark.parametrize(
    ("b", "c", "p"), [(1, 6, 16 / 128), (0, 5, 2 / 32), (5, 0, 2 / 32), (2, 8, 112 / 1024), (3, 3, 1), (0, 0, 1)]
)
def test_mcnemar_is_the_binomial_sum(b, c, p):
    assert mcnemar_exact(b, c) == p


def test_mcnemar_stays_exact_beyond_floats():
    exact = Fraction(2 * sum(math.comb(1900, k) for k in range(901)), 2**1900)
    assert mcnemar_exact(1000, 900) == pytest.approx(float(exact))
    assert mcnemar_exact(0, 5000) == 0
    with pytest.raises(ValueError, match="-1"):
        mcnemar_exact(-1, 2)


def test_a_yes_no_difference_by_hand():
    """3 wins, 1 loss, 6 ties, half a row added to either side: centre 2 / 11, variance 51 / 1331, t(9) = 2.262157."""
    found = paired_difference([1, 1, 1, -1, 0, 0, 0, 0, 0, 0], range(10))
    half = 2.262157 * math.sqrt(51 / 1331)
    assert found.value == pytest.approx(0.2)
    assert ends(found.interval) == near(2 / 11 - half, 2 / 11 + half)
    assert found.p > 0.05


def test_variants_that_never_differ_are_not_proved_equal():
    found = paired_difference([0] * 10, range(10))
    assert ends(found.interval) == near(-2.262157 / 11, 2.262157 / 11)
    assert (found.value, found.p) == (0, 1)


def test_a_graded_difference_by_hand():
    """Mean .25, SE = sqrt(.05 / 3) / 2, t(3) = 3.182446; p of t = 3.872983 from scipy 1.17."""
    found = paired_difference([0.1, 0.2, 0.3, 0.4], "abcd")
    half = 3.182446 * math.sqrt(0.05 / 3) / 2
    assert ends(found.interval) == near(0.25 - half, 0.25 + half)
    assert found.p == pytest.approx(0.030466, abs=1e-6)


def test_one_cluster_cannot_tell_variants_apart():
    found = paired_difference([1, 1, 1], "aaa")
    assert (found.interval, found.p) == (Interval(-math.inf, math.inf), 1.0)


def test_a_difference_in_a_tier_keeps_shared_items_together():
    rows = [(i, v) for i, v in enumerate([0.3, -0.1, 0.2, 0.05, 0.1])]
    joint = macro_difference({"en": rows, "si": rows})
    assert ends(joint.interval) == near(*ends(paired_difference([v for _, v in rows], range(5)).interval))


def test_a_corpus_figure_differs_from_itself_by_nothing():
    table = np.random.default_rng(0).random((30, 2)) + 1
    assert paired_bootstrap(table, table, ratio, range(30)) == Interval(0.0, 0.0)
    assert paired_bootstrap(table * (1.5, 1), table, ratio, range(30)).low > 0
    with pytest.raises(ValueError, match=r"\(30, 2\) and \(29, 2\)"):
        paired_bootstrap(table, table[:29], ratio, range(30))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_names_share_a_rank_while_the_leader_is_not_clearly_better():
    means = {"d": 0.69, "c": 0.70, "b": 0.88, "a": 0.90}
    found = rank_groups(means, lambda first, second: Interval(means[first] - means[second] - 0.1, 1.0))
    assert found == {"a": 1, "b": 1, "c": 2, "d": 2}
    assert list(found) == ["a", "b", "c", "d"]


def test_ranks_are_drawn_from_the_leader_so_that_a_chain_breaks():
    means = {"a": 0.9, "b": 0.8, "c": 0.7}
    assert rank_groups(means, lambda f, s: Interval(means[f] - means[s] - 0.15, 1.0)) == {"a": 1, "b": 1, "c": 2}
    assert rank_groups({"b": 0.5, "a": 0.5}, lambda _f, _s: Interval(-1.0, 1.0)) == {"a": 1, "b": 1}
    assert rank_groups({}, lambda _f, _s: Interval(0.0, 0.0)) == {}


@pytest.mark.parametrize(
    ("delta", "discordant", "n"), [(0.1, 0.2, 150), (0.1, 0.3, 228), (0.05, 0.2, 621), (0.05, 0.3, 935)]
)
def test_needed_n_is_connors(delta, discordant, n):
    assert needed_n(delta, discordant) == n


@pytest.mark.parametrize(("delta", "discordant"), [(0.0, 0.2), (0.3, 0.2), (0.1, 1.2)])
def test_needed_n_says_what_it_needs(delta, discordant):
    with pytest.raises(ValueError, match="0 < delta <= discordant <= 1"):
        needed_n(delta, discordant)


def test_ppi_weighs_the_judge_by_hand():
    """cov = 1 / 3, var = 3 / 11 over 12 verdicts, n / N = 1 / 2: weight (11 / 9) / (3 / 2) = 22 / 27."""
    found = ppi([1, 0, 1, 0], [1, 0, 1, 0], [1, 0] * 4)
    assert found.weight == pytest.approx(22 / 27)
    assert found.value == pytest.approx(0.5)
    moved = ppi([1, 0, 1, 0], [1, 0, 1, 0], [1] * 6 + [0] * 2)
    assert moved.value == pytest.approx(0.5 + moved.weight * 0.25)


def test_a_judge_who_always_says_the_same_is_not_believed():
    truth = [1.0, 0.0, 0.0, 0.0] * 10
    found = ppi(truth, [1.0] * 40, [1.0] * 400)
    assert (found.value, found.weight) == (0.25, 0.0)


def test_ppi_of_labels_all_alike_is_wilson_on_their_clusters():
    assert ends(ppi([0] * 20, [0, 1] * 10, [1] * 50).interval) == near(*ends(wilson(0, 20)))
    found = ppi([0] * 20, [0, 1] * 10, [1] * 50, [i // 2 for i in range(20)], list(range(10, 60)))
    assert ends(found.interval) == near(*ends(wilson(0, 10)))


@pytest.mark.parametrize(
    ("truth", "judged", "rest", "clusters"), [([], [], [1], None), ([1], [1, 0], [1], None), ([1], [1], [1], ["a"])]
)
def test_ppi_says_what_it_needs(truth, judged, rest, clusters):
    with pytest.raises(ValueError, match="PPI needs"):
        ppi(truth, judged, rest, clusters)


def test_a_difference_of_shares_stays_between_minus_100_and_100_points():
    few = paired_difference([1, 1, 1], ["a", "b", "b"]).interval
    assert few.high == 1.0 and few.low >= -1.0
