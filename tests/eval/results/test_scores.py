"""Scores by hand, intervals by simulation, runs that survive a kill."""

import json
import math

import numpy as np
import pytest

from eval.metrics.answers import chrf, containment, exact_match, token_f1
from eval.metrics.ranking import ndcg, recall, reciprocal_rank
from eval.results.scores import collect, row_values, summarise
from eval.runner.rows import RowStore
from eval.statistics import cluster_bootstrap, clustered_rate, wilson
from eval.types import CitedSpan, Example, Prediction
from mlrag.errors import GeneratorError
from mlrag.languages import language


@pytest.mark.parametrize(
    ("lang", "answer", "reference", "f1", "contained"),
    [
        ("en", "Colombo", "colombo.", 1.0, 1.0),
        ("ta", "நைல் ஆறு", "நைல்", 2 / 3, 1.0),
        ("hi", "नील नदी।", "नील नदी", 1.0, 1.0),
        ("zh", "是尼罗河。", "尼罗河", 6 / 7, 1.0),
        ("ar", "القاهرة؟", "القاهره", 1.0, 1.0),
        ("en", "x", "the", 0.0, 0.0),
        ("en", "in 1867", "1876", 0.0, 0.0),
        ("si", "මීටර 180ක්", "180", 0.0, 1.0),
        ("si", "මීටර 1180ක්", "180", 0.0, 0.0),
        ("ta", "13.5 கிராம்", "13", 0.0, 0.0),
        ("ko", "세종은 왕이다", "세종", 0.0, 1.0),
        ("ko", "세계에서 7번째로 크다", "7번째", 0.0, 1.0),
        ("ko", "2011년 80,219,695명으로", "80,219,695명", 0.0, 1.0),
        ("ko", "17번째로 크다", "7번째", 0.0, 0.0),
        ("en", "", "Nile", 0.0, 0.0),
    ],
)
def test_answers_are_scored_as_by_hand(lang, answer, reference, f1, contained):
    pack = language(lang)
    assert token_f1(answer, [reference], pack) == pytest.approx(f1)
    assert containment(answer, [reference], pack) == contained


def test_exact_match_needs_something_to_match():
    assert exact_match("…", ["Nile"], language("en")) == 0.0
    assert exact_match("The Nile", ["nile"], language("en")) == 1.0
    assert chrf("nile", ["nile"], language("en")) == pytest.approx(100.0)


def test_wilson_is_the_published_formula():
    interval = wilson(0.7, 200)
    assert (interval.low, interval.high) == pytest.approx((0.6332, 0.7592), abs=2e-4)
    assert wilson(0.0, 54).high > 0.05


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_rates_cover_with_and_without_clusters(shared):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        base = rng.random(40) < 0.7
        rows = np.where(rng.random((40, 5)) < shared, base[:, None], rng.random((40, 5)) < 0.7)
        interval = clustered_rate(rows.ravel().tolist(), np.repeat(np.arange(40), 5).tolist())
        hits += interval.low <= 0.7 <= interval.high
    assert hits / 400 > 0.91


def test_the_bootstrap_keeps_clusters_together():
    values = [0.0, 0.0, 1.0, 1.0] * 20
    apart = cluster_bootstrap(values, list(range(80)))
    together = cluster_bootstrap(values, [i // 2 for i in range(80)])
    assert together.high - together.low > apart.high - apart.low
    assert math.isnan(cluster_bootstrap([], []).low)


def test_an_abstention_is_neither_right_nor_hallucinated():
    pack = language("en")
    asked = Example("a", "en", "?", True, ("Nile",))
    near = Example("b", "en", "?", False, kind="near_miss")
    silent = Prediction("a", "x", "The documents do not say.", abstained=True)
    assert row_values(asked, silent, pack)["error"] == 1.0
    assert row_values(asked, silent, pack)["contains"] == 0.0
    assert row_values(near, silent, pack) == {
        "hallucination:near_miss": 0.0,
        "invalid": 0.0,
        "abstention_recall": 1.0,
        "abstention_precision": 1.0,
        "summary:abstention:near_miss": 1.0,
    }
    assert row_values(near, Prediction("b", "x", "Nile"), pack)["hallucination:near_miss"] == 1.0


def test_a_failed_row_is_in_no_figure():
    rows = [Prediction("a", "x", error="no server"), Prediction("a", "x", "Nile")]
    examples = [Example("a", "en", "?", True, ("Nile",))] * 2
    report = summarise(collect(examples, rows, language("en")), rows)
    assert (report.n, report.failed, report.reason) == (2, 1, "no server")
    assert report.metrics["contains"].n == 1
    assert report.metrics["hallucination:near_miss"].value is None


def test_a_killed_run_goes_on_and_repeats_nothing(tmp_path):
    asked = []

    class Answers:
        def ask(self, question, lang, hidden, only):
            asked.append(question)
            raise GeneratorError("down")

    run = RowStore(tmp_path)
    run.append("en", Prediction("one", "v", "text"))
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b'{"id": "tw')
    examples = [Example(i, "en", i, True) for i in ("one", "two")]
    result = run.complete(Answers(), examples, "v", "en", lambda: None)
    assert asked == ["two"]
    assert [p.error for p in result] == ["", "down"]
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["one", "two"]


def test_rows_of_before_citations_were_kept_can_be_read(tmp_path):
    run = RowStore(tmp_path)
    new = Prediction("new", "v", "text", citations=(CitedSpan("d", 0, 0, 4),), confidence=0.5)
    run.append("en", new)
    path = next(tmp_path.glob("*.jsonl"))
    old = {"id": "old", "variant": "v", "text": "Nile", "abstained": False, "passages": ["p"], "hit_docs": ["d"]}
    path.write_text(path.read_text() + json.dumps(old) + "\n")
    rows = run.rows("v", "en")
    assert rows["new"] == new
    assert rows["old"].citations is None
    values = row_values(Example("old", "en", "?", True, ("Nile",)), rows["old"], language("en"))
    assert values["contains"] == 1.0
    assert not {"citation_coverage", "hallucination:numbers", "hallucination:sentences"} & set(values)


def test_rankings_are_scored_by_hand():
    assert reciprocal_rank(["a", "b", "c"], ["c"]) == pytest.approx(1 / 3)
    assert reciprocal_rank(["a"], ["z"]) == 0.0
    assert recall(["a", "b"], ["b", "z"], 2) == 1 / 2
    assert ndcg(["a", "b", "c"], ["c"]) == pytest.approx(1 / 2)
    assert ndcg(["a", "x", "b"], ["a", "b"]) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert ndcg(["x"], ["a"]) == 0.0
