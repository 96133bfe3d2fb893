"""RAGChecker's arithmetic, by hand and as an identity."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.judge.claim_metrics import ClaimVerdicts, compute_claim_metrics


@st.composite
def verdicts(draw):
    claims, golds, passages = (draw(st.integers(0, 5)) for _ in range(3))
    row = lambda n: draw(st.lists(st.booleans(), min_size=n, max_size=n))  # noqa: E731
    return ClaimVerdicts(
        row(claims), row(golds), [row(claims) for _ in range(passages)], [row(golds) for _ in range(passages)]
    )


def test_figures_are_the_ones_worked_out_by_hand():
    found = compute_claim_metrics(
        ClaimVerdicts(
            right=[True, False, False, False, True],
            found=[True, False],
            backed=[[True, True, False, False, False], [False, False, True, False, False]],
            held=[[True, False], [False, False]],
        )
    )
    assert (found.precision, found.recall) == (2 / 5, 1 / 2)
    assert found.f1 == pytest.approx(4 / 9)
    assert (found.claim_recall, found.context_precision, found.context_utilization) == (1 / 2, 1 / 2, 1.0)
    assert found.faithfulness == 3 / 5
    assert (found.hallucination, found.self_knowledge) == (1 / 5, 1 / 5)
    assert (found.noise_relevant, found.noise_irrelevant) == (1 / 5, 1 / 5)


@given(verdicts())
def test_every_claim_is_right_or_noise_or_hallucinated(case):
    found = compute_claim_metrics(case)
    if not case.right:
        assert found.precision is None
        return
    parts = found.precision + found.noise_relevant + found.noise_irrelevant + found.hallucination
    assert parts == pytest.approx(1.0)
    assert found.faithfulness + found.hallucination + found.self_knowledge == pytest.approx(1.0)


def test_an_answer_without_claims_is_neither_faithful_nor_hallucinated():
    found = compute_claim_metrics(ClaimVerdicts([], [True], [[]], [[True]]))
    assert (found.precision, found.faithfulness, found.hallucination) == (None, None, None)
    assert found.claim_recall == 1.0


def test_without_passages_everything_said_is_hallucinated_or_known():
    found = compute_claim_metrics(ClaimVerdicts([True, False], [True], [], []))
    assert (found.hallucination, found.self_knowledge, found.context_precision) == (0.5, 0.5, None)


def test_verdicts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 verdicts"):
        compute_claim_metrics(ClaimVerdicts([True, False], [], [[True]], [[]]))
    with pytest.raises(ValueError, match="passages"):
        compute_claim_metrics(ClaimVerdicts([True], [], [[True]], []))
