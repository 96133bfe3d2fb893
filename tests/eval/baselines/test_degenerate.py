"""No degenerate way of answering may win. Scripted stand-ins, our own questions, no model."""

from functools import cache

import pytest

from eval.baselines.degenerate import degenerate_baselines, honest, noisy_honest
from eval.baselines.scripted import add_removed, own_answer_key, predict_unchecked
from eval.datasets.own import article_removed
from eval.metrics.outcome import Outcome, outcome
from eval.metrics.summary import ANSWER, summary, summary_parts
from eval.results.scores import collect, summarise
from eval.runner.rows import predict
from mlrag.answering.pipeline import Pipeline
from mlrag.languages import language, languages
from tests.conftest import CORPORA

pytestmark = pytest.mark.slow


@cache
def keys():
    return {code: own_answer_key(code, CORPORA) for code in languages()}


def scored(generator, code):
    """The summary of a generator's raw predictions on every third topic, with no guard in between."""
    key = keys()[code]
    topics = sorted({example.cluster for example in key.examples})[::3]
    rows = {}
    for example in (e for e in add_removed(key) if e.cluster in topics):
        for name, value in summary_parts(example, predict_unchecked(generator, key, example), key.lang).items():
            rows.setdefault(name, []).append((example.cluster, value))
    return summary(rows)[0]


@pytest.mark.parametrize("code", list(languages()))
def test_every_degenerate_baseline_ranks_below_the_noisy_honest_one(code):
    bar = scored(noisy_honest(keys(), code), code)
    ranked = {
        name: scored(generator, code) for name, generator in degenerate_baselines(keys(), code, silent=True).items()
    }
    assert len(ranked) >= 12
    assert {name: score for name, score in ranked.items() if score >= bar} == {}
    assert bar < scored(honest(keys(), code), code)


@pytest.mark.parametrize("code", ["en", "zh", "ta", "ar"])
def test_what_never_abstains_has_no_share_in_silence_and_so_no_summary(code):
    key = keys()[code]
    unanswerable = [e for e in add_removed(key) if not e.answerable]
    for name, generator in degenerate_baselines(keys(), code, silent=False).items():
        if name not in ("abstains_by_coin", "always_abstains"):
            said = {outcome(predict_unchecked(generator, key, e), key.lang) for e in unanswerable}
            assert Outcome.ABSTAINED not in said, name
    assert summary({ANSWER: [("a", 1.0)], "summary:abstention:near_miss": [("a", 0.0)]})[0] == 0.0


@pytest.mark.parametrize("code", ["en", "zh", "si"])
def test_the_extractive_answerer_ranks_above_all_that_never_abstain(code, pipeline):
    key = keys()[code]
    asked = [e for e in add_removed(key) if e.cluster in ("dengue", "nile", "tea", "rice")]
    rows = {}
    for example in asked:
        for name, value in summary_parts(example, predict(pipeline, example, "extractive"), key.lang).items():
            rows.setdefault(name, []).append((example.cluster, value))
    assert summary(rows)[0] > 0.0


@pytest.mark.parametrize("code", ["en", "bn", "ja"])
def test_saying_yes_to_everything_is_total_hallucination(code):
    """NoMIRACL's own metric reports 0 here, since no "I don't know" is among the replies."""
    key = keys()[code]
    generator = degenerate_baselines(keys(), code, silent=False)["says_yes"]
    examples = add_removed(key)
    predictions = [predict_unchecked(generator, key, e) for e in examples]
    report = summarise(collect(examples, predictions, key.lang), predictions)
    assert report.metrics["hallucination:near_miss"].value == 1.0
    assert report.metrics["hallucination:article_removed"].value == 1.0
    assert report.metrics["abstention_f1"].value == 0.0
    assert report.metrics["summary"].value == 0.0


@pytest.mark.parametrize("code", ["en", "hi", "zh"])
def test_an_answer_of_signs_is_invalid_and_stays_in_every_denominator(code):
    key = keys()[code]
    generator = degenerate_baselines(keys(), code, silent=False)["only_signs"]
    examples = add_removed(key)
    predictions = [predict_unchecked(generator, key, e) for e in examples]
    report = summarise(collect(examples, predictions, key.lang), predictions)
    assert report.metrics["invalid"].value == 1.0
    assert report.metrics["hallucination:near_miss"].value == 0.0
    assert report.metrics["hallucination:near_miss"].n == sum(not e.answerable for e in key.examples)
    assert report.metrics["abstention_recall"].value == 0.0
    assert report.metrics["summary"].value == 0.0


@pytest.mark.parametrize("code", ["en", "ta", "zh", "ar"])
def test_one_who_always_abstains_has_no_clean_layer(code):
    key = keys()[code]
    generator = degenerate_baselines(keys(), code, silent=False)["always_abstains"]
    examples = add_removed(key)
    predictions = [predict_unchecked(generator, key, e) for e in examples]
    figures = summarise(collect(examples, predictions, key.lang), predictions).metrics
    for name in ("numbers", "names", "sentences"):
        assert figures[f"hallucination:{name}"].value is None
    assert (figures["summary"].value, figures["contains"].value, figures["error"].value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("code", ["en", "ta"])
def test_a_changed_digit_gets_past_neither_the_guard_nor_the_scorer(code, pipeline):
    guarded = Pipeline(
        pipeline.retriever, degenerate_baselines(keys(), code, silent=True)["wrong_digit"], cross_language=False
    )
    example = next(e for e in keys()[code].answerable if e.id == "dengue-3")
    prediction = predict(guarded, example, "stand-in:wrong_digit")
    assert prediction.abstained
    raw = predict_unchecked(guarded.generator, keys()[code], example)
    assert outcome(raw, language(code)) is Outcome.ANSWERED
    assert summary_parts(example, raw, language(code)) == {ANSWER: 0.0}


def test_the_honest_one_passes_the_pipeline_as_it_is(pipeline):
    guarded = Pipeline(pipeline.retriever, honest(keys(), "en"), cross_language=False)
    example = next(e for e in keys()["en"].answerable if e.id == "tea-1")
    prediction = predict(guarded, example, "stand-in:honest")
    assert summary_parts(example, prediction, language("en")) == {ANSWER: 1.0}
    assert predict(guarded, article_removed(example), "stand-in:honest").abstained
