"""What a reply is worth, by hand; and what it costs."""

import pytest

from eval.metrics.summary import (
    ANSWER,
    rate_citations,
    rate_conciseness,
    rate_reply,
    rate_rightness,
    summary,
    summary_parts,
)
from eval.results.scores import count_tokens
from eval.types import CitedSpan, Example, Prediction
from mlrag.languages import language

PASSAGES = ("The Nile is about 6,650 kilometres long and eleven countries share it.", "Tea grows on hills.")
ASKED = Example("nile-1", "en", "How long is the Nile?", True, ("6,650 kilometres",), ("nile",))
TEXT = "The Nile is about 6,650 kilometres long."
GOOD = CitedSpan("nile", 0, 0, len(TEXT))


def said(text=TEXT, citations=(GOOD,), **fields):
    return Prediction("nile-1", "v", text, passages=PASSAGES, citations=citations, **fields)


@pytest.mark.parametrize(
    ("prediction", "value"),
    [
        (said(), 1.0),
        (said(citations=()), 1 / 2),
        (said(citations=(GOOD, CitedSpan("tea", 1, 0, len(TEXT)))), 1 / 2),
        (said("The Nile is about 6,651 kilometres long."), 0.0),
        (said(f"{TEXT} In 1999 it froze."), 0.0),
        (said(f"{TEXT} Purple elephants were observed dancing everywhere."), 1 / 2),
        (said("", abstained=True, citations=()), 0.0),
        (said("Der Nil ist ungefähr 6.650 kilometres lang, sagen die Dokumente."), 0.0),
    ],
)
def test_a_reply_is_worth_its_weakest_side(prediction, value):
    assert rate_reply(ASKED, prediction, language("en")).value == pytest.approx(value)


@pytest.mark.parametrize(("lang", "letter", "budget"), [("en", "a", 301), ("ta", "அ", 301), ("zh", "长", 121)])
def test_length_costs_nothing_up_to_a_third_of_a_passage_then_its_square(lang, letter, budget):
    pack = language(lang)
    assert rate_conciseness(letter * budget, [letter], pack) == 1.0
    assert rate_conciseness(letter * (2 * budget), [letter], pack) == pytest.approx(1 / 4)


def test_a_long_reference_need_not_be_repeated_word_for_word():
    pack, long = language("en"), "keep the mixture cool and drink it within one day"
    assert rate_rightness("drink it within one day and keep the mixture cool", [long], pack) == 1.0
    assert rate_rightness("no", ["cool"], pack) == 0.0
    assert rate_rightness("no", ["…"], pack) is None


def test_citations_of_before_they_were_kept_cost_nothing():
    assert rate_citations(said(citations=None), ["nile"]) == 1.0


def test_the_summary_is_a_harmonic_mean_and_needs_both_kinds_of_question():
    rows = {ANSWER: [("a", 1.0), ("b", 0.0)], "summary:abstention:near_miss": [("a", 1.0), ("b", 1.0)]}
    assert summary(rows)[:2] == (pytest.approx(2 / 3), 4)
    assert summary({ANSWER: rows[ANSWER]}) is None
    assert summary({}) is None
    halves = rows | {"summary:abstention:article_removed": [("a", 0.0)]}
    assert summary(halves)[0] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("quality", "abstained", "value", "low", "high"),
    [
        # Wilson of 0 in n = 20 is [0, z²/(n + z²)] = [0, .1611], of 20 in 20 its mirror image
        (0.0, 1.0, 0.0, 0.0, 2 * 0.1611 / 1.1611),
        (0.0, 0.0, 0.0, 0.0, 0.1611),
        (1.0, 1.0, 1.0, 0.8389, 1.0),
    ],
)
def test_rows_that_are_all_alike_leave_the_summary_room(quality, abstained, value, low, high):
    rows = {
        ANSWER: [(str(i), quality) for i in range(20)],
        "summary:abstention:near_miss": [(str(i), abstained) for i in range(20)],
    }
    found, n, interval = summary(rows)
    assert (found, n) == (value, 40)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_a_summary_of_nothing_right_may_be_a_little_more():
    silence = [(str(i), float(i % 2)) for i in range(20)]
    interval = summary({ANSWER: [(str(i), 0.0) for i in range(20)], "summary:abstention:near_miss": silence})[2]
    assert interval.low == 0.0
    assert 2 * 0.1611 * 0.5 / 0.6611 < interval.high < 2 * 0.1611 / 1.1611


def test_saying_nothing_in_the_language_is_silence_and_a_hedge_is_not():
    gap = Example("nile-4", "en", "How wide is it?", False, kind="near_miss")
    abstained = said("The documents do not say.", ())
    hedged = said("The documents do not say. Perhaps 5 kilometres.", ())
    assert summary_parts(gap, abstained, language("en")) == {"summary:abstention:near_miss": 1.0}
    assert summary_parts(gap, hedged, language("en")) == {"summary:abstention:near_miss": 0.0}


def test_cost_is_over_the_rows_that_count_tokens():
    rows = [
        said(prompt_tokens=100, output_tokens=10, seconds=2.0),
        said(prompt_tokens=300, output_tokens=30, seconds=2.0),
        said(seconds=9.0),
        Prediction("x", "v", error="down"),
    ]
    found = count_tokens(rows)
    assert (found.n, found.prompt_tokens, found.output_tokens, found.seconds) == (2, 200.0, 20.0, 2.0)
    assert found.output_per_second == 10.0
    assert count_tokens(rows[2:]).output_tokens is None
