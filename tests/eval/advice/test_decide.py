"""Which variant: feasible first, proved second, and "cannot tell" where nothing is; the matrix beside it."""

import pytest

from eval.advice.constraints import check_candidate, parse_candidate
from eval.advice.decide import advise
from eval.advice.evidence import NOTHING, CandidateResults, compare
from eval.advice.matrix import list_sources, make_matrix, weigh_dimensions
from eval.advice.need import TargetHardware
from eval.advice.published import find_scores, rank_published
from eval.advice.wording import list_cautions
from mlrag.models.variants import CustomVariant, family
from tests.support.advice import SERVER, evidence, measured, need


def test_the_best_feasible_is_found_and_the_better_one_that_does_not_fit_is_named():
    machine_ = TargetHardware(14.0, 0.0, 500.0, 8, "given")
    found = advise(need(), machine_, evidence(measured("e2b", 0.5), measured("e4b", 0.85), measured("31b", 0.97)))
    assert found.choice == "e4b"
    assert found.mix.status == "measured"
    assert "31b" not in found.mix.means
    assert any(f.startswith("31b, excluded") and "q4_0" not in f for f in found.flips)
    assert {f.candidate.name for f in found.feasible} >= {"e2b", "e4b", "extractive"}


def test_a_little_better_is_not_worth_more_than_the_margin():
    rows = measured("e4b", 0.9, n=3000)
    other = CandidateResults(parse_candidate("31b"), ("31b",), rows.outcomes, {}, {}, 9.0, 9.0, None)
    found = advise(need(), SERVER, evidence(other, rows))
    assert found.choice == "e4b"
    assert found.costs.basis == "seconds"
    assert found.mix.runner_up == "31b"
    assert advise(need(cost="memory"), SERVER, evidence(other, rows)).costs.basis == "memory"


def test_near_ties_on_few_questions_cannot_be_told():
    found = advise(need("ta=9,si=1"), SERVER, evidence(*(measured(m, 0.8, n=40, seed=1) for m in ("e4b", "12b"))))
    assert found.mix.status == "cannot tell"
    assert found.mix.chosen is None
    assert found.choice == found.mix.leading
    assert found.mix.more["ta"] > found.mix.more.get("si", 0)


def test_who_was_not_asked_in_a_language_is_left_out_and_said():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9), measured("31b", 0.9, langs=("ta",))))
    assert found.mix.left_out == {"31b": "0 of 1400 rows in si"}
    assert found.mix.status == "one measured"
    assert any("By published scores alone it would be 31b+think" in c for c in list_cautions(found))
    assert {line.group: line.status for line in found.lines}["T4"] == "one measured"


def test_unmeasured_feasible_ones_are_named():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9), measured("31b", 0.5)))
    assert {"extractive", "12b", "e4b+think"} <= set(found.unmeasured)
    assert not {"e4b", "31b"} & set(found.unmeasured)


def test_the_share_of_answerable_questions_weighs_accuracy_against_silence():
    bold, shy = measured("e4b", 0.9, silent=0.2), measured("12b", 0.4, silent=0.95)
    assert advise(need(answerable=0.95), SERVER, evidence(bold, shy)).choice == "e4b"
    assert advise(need(answerable=0.3), SERVER, evidence(bold, shy)).choice == "12b"
    all_three = compare({"e4b": bold, "12b": shy}, {"ta": 1.0}, 0.3).table
    assert all_three.weights.tolist() == pytest.approx([0.3, 0.7])


def test_published_figures_decide_where_nothing_was_measured_and_say_so():
    found = advise(need(), TargetHardware(8.0, 0.0, 100.0, 4, "given"), NOTHING)
    assert found.choice == "llamacpp:gemma-4-e4b-it-q4_0.gguf+think"
    assert found.mix.status == "nothing measured"
    assert found.published.uncovered == ("ta", "si")
    assert any("1.7 GB more" in f for f in found.flips)
    assert any("GGUF file" in c for c in list_cautions(found))
    assert (
        rank_published([check_candidate(parse_candidate("extractive"), need(), SERVER)], ["ta"]).chosen == "extractive"
    )


def test_a_published_score_counts_for_the_thinking_it_was_taken_with():
    e4b = family()["e4b"]
    on, off = find_scores(e4b, "MMMLU", True), find_scores(e4b, "MMMLU", False)
    assert (on[0].value, on[1]) == (76.6, None)
    assert (off[0], off[1].value) == (None, 76.6)
    sea = "SEA-HELM knowledge, mean of 6 languages"
    assert [p[0].value for p in (find_scores(e4b, sea, True), find_scores(e4b, sea, False))] == [66.01, 51.17]
    assert find_scores(None, sea, True) == (None, None)


# The matrix


def test_totals_are_weighted_means_and_measured_ones_never_meet_published_ones():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9), measured("31b+think", 0.5)))
    matrix = make_matrix(found, weigh_dimensions(None, {}))
    by_name = {kind: {t.name: t for t in totals} for kind, totals in matrix.totals.items()}
    assert by_name["published"]["e4b"].total is None  # what was published was with thinking
    assert by_name["measured"]["12b+think"].total is None
    row = {r.name: dict(zip(matrix.names, r.cells, strict=True)) for r in matrix.rows}
    think = row["multilingual"]["31b+think"]
    assert (think.text, think.source, think.score) == ("88.4", "published", 0.884)
    assert row["multilingual"]["e4b"].text == "76.6 (thinking on)"
    assert (row["sea"]["e4b+think"].text, row["sea"]["e4b+think"].score) == ("66.01 (unverified)", None)
    assert row["quality"]["12b"].source == "unknown"
    sinhala = [s for s in list_sources(matrix) if "SinhalaMMLU" in s]
    assert len(sinhala) == 1
    assert sinhala[0].startswith(
        "Sinhala multiple choice (SinhalaMMLU): e4b 61.86 (thinking on), e4b+think 61.86 (hugg"
    )
    scores = [(3, 88.4), (1, 84.3), (1, 80.0), (1, 76.9), (1, 66.4), (1, 74.4)]  # what all five have
    expected = sum(w * s for w, s in scores) / sum(w for w, _ in scores) / 100
    assert by_name["published"]["31b+think"].total == pytest.approx(expected)


def test_weights_move_the_rank_and_its_stability_is_told():
    found = advise(need(), SERVER, evidence(measured("e4b", 0.9)))
    plain = make_matrix(found, weigh_dimensions(None, {}), gamma=0.0)
    ranks = {t.name: t for t in plain.totals["published"] if t.total is not None}
    assert max(ranks.values(), key=lambda t: t.efficient).name == "31b+think"
    assert ranks["31b+think"].first == 1.0  # best in every dimension: no weights can move it
    dear = make_matrix(found, weigh_dimensions(None, {}), gamma=3.0)
    assert max((t for t in dear.totals["published"] if t.efficient), key=lambda t: t.efficient).name != "31b+think"
    assert sum(t.first for t in dear.totals["published"]) == pytest.approx(1.0)


@pytest.mark.parametrize("given", [{"love": 1.0}, {"quality": -1.0}])
def test_weights_of_nothing_are_refused(given):
    with pytest.raises(ValueError, match=r"dimension|0 or more"):
        weigh_dimensions(None, given)


def test_a_fine_tune_is_a_row_of_its_own_and_stands_for_nobody():
    tuned = measured("my-si", 0.9, own={"my-si": CustomVariant("ollama:me/tuned", "e4b")})
    found = advise(need(), SERVER, evidence(tuned, measured("31b", 0.5)))
    matrix = make_matrix(found, weigh_dimensions(None, {}))
    row = next(r for r in matrix.rows if r.name == "multilingual")
    assert found.choice == "my-si"
    assert "e4b" in found.unmeasured
    assert "my-si" not in found.unmeasured
    unasked = advise(need(), SERVER, NOTHING, {"my-si": CustomVariant("ollama:me/tuned", "e4b")})
    assert "my-si" in unasked.unmeasured
    assert {"my-si", "e4b"} < set(matrix.names)
    assert row.cells[matrix.names.index("my-si")].score is None
