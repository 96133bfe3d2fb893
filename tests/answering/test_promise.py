"""The guard keeps its promise when a model misbehaves; `benchmarks/promise.py` measures the same at full size."""

from benchmarks.promise import inventions, longest, wrong_language


def test_an_english_reply_never_passes_for_another_language(pipeline):
    wrong, refused = wrong_language(pipeline.retriever, 96)
    assert wrong.bad == 0
    assert 0 < refused.bad < wrong.n / 2


def test_an_invented_number_never_reaches_the_reader(pipeline):
    shown, refused = inventions(pipeline.retriever, 96)
    assert shown.bad == 0
    assert 0 < refused.bad < shown.n / 2


def test_no_faulted_call_outlives_its_deadline(pipeline):
    beyond, answered = longest(pipeline.retriever, 45, 3.0)
    assert beyond < 10  # the scheduler of a busy machine, and not a hanging call
    assert answered.bad >= 3
