"""Runs that can be stopped, scored again, compared and read by other programs."""

import csv
import json
import math
import threading
import time

import pytest

from benchmarks.kill_runs import Watch, measure, prompt_of, rows_on_disk
from eval.datasets.own import article_removed
from eval.report.markdown import as_json, markdown
from eval.report.render import render
from eval.results.comparisons import pair_with_base
from eval.results.evaluate import score
from eval.results.export import METRIC_COLUMNS, export
from eval.results.jsonable import to_jsonable
from eval.runner.plan import RunPlan, find_run, latest_run, read_plan, write_plan
from eval.runner.rows import RowStore
from eval.tiers import compare_runs, rescore
from eval.types import Example, Prediction
from mlrag.errors import CorpusFormatError, GeneratorError
from mlrag.languages import language
from mlrag.models.variants import CustomVariant

pytestmark = pytest.mark.slow

ASKED = {
    "en": [Example(f"q{i}", "en", f"Which river is {i}?", True, (f"Nile {i}",), cluster=f"q{i}") for i in range(12)],
    "ta": [Example(f"q{i}", "ta", f"ஆறு {i} எது?", True, (f"நைல் {i}",), cluster=f"q{i}") for i in range(12)],
    "ar": [Example(f"q{i}", "ar", f"ما النهر {i}؟", True, (f"النيل {i}",), cluster=f"q{i}") for i in range(4)],
    "zh": [Example(f"q{i}", "zh", f"哪条河{i}？", True, (f"尼罗河{i}",), cluster=f"q{i}") for i in range(8)],
}
PLAN = RunPlan(
    {"langs": list(ASKED), "data": "toy questions", "own_variants": {}, "seed": 0},
    {lang: [*asked, *map(article_removed, asked)] for lang, asked in ASKED.items()},
)


def said(lang, example, variant, right):
    """A right answer, a wrong one, or silence where the article is gone."""
    if not example.answerable:
        return Prediction(example.id, variant, language(lang).abstention, abstained=True, model=variant, seconds=0.5)
    text = example.answers[0] if int(example.id[1:]) < right else "–?"
    return Prediction(example.id, variant, text, model=variant, seconds=0.25, confidence=0.5, citations=())


def fill(folder, variants, plan=PLAN):
    """A run on disk: each variant right on so many questions of a language."""
    write_plan(folder, plan)
    run = RowStore(folder)
    for variant, right in variants.items():
        for lang, found in plan.examples.items():
            for example in found:
                run.append(lang, said(lang, example, variant, right))
    return folder


def test_a_plan_comes_back_as_it_was(tmp_path):
    pooled = Example("q", "si", "කුමක්ද?", True, ("එක",), ("d",), only=frozenset({"d", "e"}), hidden=frozenset({"f"}))
    plan = RunPlan(PLAN.signature, {"si": [pooled], **PLAN.examples})
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan
    with pytest.raises(CorpusFormatError, match="runs"):
        find_run(tmp_path, "nothing")


def test_rows_are_asked_side_by_side_but_never_more_than_allowed(tmp_path):
    busy, most, lock = 0, 0, threading.Lock()

    class Slow:
        def ask(self, question, lang, hidden, only):
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
            time.sleep(0.02)
            with lock:
                busy -= 1
            raise GeneratorError(question)

    examples, ticks = PLAN.examples["ta"], []
    found = RowStore(tmp_path).complete(Slow(), examples, "v", "ta", lambda: ticks.append(1), concurrency=3)
    assert most == 3
    assert [p.id for p in found] == [e.id for e in examples]
    assert [p.error for p in found] == [e.question for e in examples]
    assert len(ticks) == len(examples) == len(next(tmp_path.glob("*.jsonl")).read_text("utf-8").splitlines())


def test_a_finished_row_stands_against_a_later_failed_one(tmp_path):
    run = RowStore(tmp_path)
    run.append("en", Prediction("a", "v", "Nile"))
    run.append("en", Prediction("a", "v", error="down"))
    assert run.read_finished("v", "en")["a"].text == "Nile"
    missing = run.predictions([Example("a", "en", "?", True), Example("b", "en", "?", True)], "v", "en")
    assert [p.error for p in missing] == ["", "not asked yet"]


def test_a_tier_is_the_mean_of_its_languages():
    found = score(PLAN, {"v": {"en": rows("en", 12), "ta": rows("ta", 6), "ar": rows("ar", 4), "zh": rows("zh", 2)}})
    tiers = found.variants["v"].tiers
    assert tiers["T1"].metrics["contains"].value == pytest.approx((12 / 12 + 2 / 8) / 2)
    assert tiers["T1"].metrics["contains"].n == 20
    assert tiers["T1"].metrics["summary"].value == pytest.approx(
        sum(found.variants["v"].languages[x].metrics["summary"].value for x in ("en", "zh")) / 2
    )


def rows(lang, right):
    return [said(lang, e, "v", right) for e in PLAN.examples[lang]]


def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path):
    run = fill(tmp_path / "run", {"extractive": 9, "e4b": 3})
    render(rescore(run), tmp_path / "first")
    for path in run.glob("*.*.jsonl"):
        path.write_text("".join(reversed(path.read_text("utf-8").splitlines(True))), "utf-8")
    render(rescore(run), tmp_path / "second")
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / x).iterdir()} for x in ("first", "second"))
    assert first == second
    assert {"tiers.md", "tiers.json", "rows.csv", "metrics.csv", "index.html", "ta.html"} <= set(first)


def test_json_holds_null_and_never_nan():
    nothing = {lang: [Prediction(e.id, "31b", error="no server") for e in found] for lang, found in ASKED.items()}
    alone = {"en": ASKED["en"][:1]}
    result = score(RunPlan(PLAN.signature, ASKED), {"31b": nothing})
    shown = json.dumps(as_json(result), allow_nan=False)
    tier = json.loads(shown)["variants"]["31b"]["tiers"]["T1"]
    assert (tier["p50"], tier["p95"], tier["metrics"]["contains"]["value"]) == (None, None, None)
    assert "did not run: no server" in markdown(result)
    one = score(RunPlan(PLAN.signature, alone), {"v": {"en": [said("en", alone["en"][0], "v", 1)]}})
    assert json.dumps(as_json(one), allow_nan=False)
    assert to_jsonable((math.nan, math.inf, {"a": 1.5})) == [None, None, {"a": 1.5}]


def test_variants_of_a_run_are_paired_ranked_and_told_how_many_rows_they_need(tmp_path):
    result = rescore(fill(tmp_path, {"extractive": 12, "e4b": 0, "31b": 0}))
    accuracy = result.comparisons[0]
    en = next(c for c in accuracy.comparisons if (c.group, c.first, c.second) == ("en", "extractive", "e4b"))
    assert (en.difference.value, en.first_only, en.second_only) == (1.0, 12, 0)
    assert en.mcnemar == pytest.approx(2 / 2**12)
    assert en.adjusted == pytest.approx(12 * 2 / 2**12)  # three pairs, four languages
    assert accuracy.ranks["en"] == {"extractive": 1, "31b": 2, "e4b": 2}
    page = markdown(result)
    assert "| accuracy (contains) | extractive | e4b | en | +100.0 [" in page
    assert "n for 5 points" in page
    assert "1. extractive; 2. 31b, e4b" in page.replace("2. e4b, 31b", "2. 31b, e4b")


def test_less_hallucination_ranks_first():
    talks = [Prediction(e.id, "loud", e.question) for e in PLAN.examples["en"]]
    plan = RunPlan(PLAN.signature, {"en": PLAN.examples["en"]})
    compared = score(plan, {"loud": {"en": talks}, "still": {"en": rows("en", 12)}}).comparisons
    gone = next(c for c in compared if c.metric == "hallucination:article_removed")
    assert gone.ranks["en"] == {"still": 1, "loud": 2}


def test_two_runs_are_compared_by_name_folder_or_report(tmp_path):
    fill(tmp_path / "runs" / "aaa", {"extractive": 12})
    fill(tmp_path / "runs" / "bbb", {"extractive": 2})
    (tmp_path / "reports" / "there").mkdir(parents=True)
    (tmp_path / "reports" / "there" / "tiers.json").write_text('{"run": "bbb"}')
    found = compare_runs(tmp_path, ("aaa", "there")).comparisons[0].comparisons
    ta = next(c for c in found if c.group == "ta")
    assert (ta.first, ta.second) == ("aaa extractive", "there extractive")
    assert ta.difference.value == pytest.approx(10 / 12)
    assert latest_run(tmp_path).name == "bbb"


def test_csv_holds_every_row_and_figure(tmp_path):
    result = rescore(fill(tmp_path / "run", {"extractive": 9}))
    export(tmp_path, result)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        found = {(r["lang"], r["id"]): r for r in csv.DictReader(file)}
    assert len(found) == sum(map(len, PLAN.examples.values()))
    assert found["ta", "q3"]["text"] == "நைல் 3"
    assert (found["ta", "q3"]["contains"], found["ta", "q3"]["prompt_tokens"]) == ("1.0", "")
    assert found["ta", "q3~removed"]["outcome"] == "abstained"
    with (tmp_path / "metrics.csv").open(encoding="utf-8", newline="") as file:
        figures = list(csv.DictReader(file))
    assert list(figures[0]) == list(METRIC_COLUMNS)
    en = next(f for f in figures if (f["tier_or_language"], f["metric"]) == ("en", "contains"))
    assert (en["value"], en["n"]) == ("0.75", "12")


def test_csv_says_why_a_row_failed(tmp_path):
    folder = fill(tmp_path / "run", {"extractive": 9})
    RowStore(folder).append("ta", Prediction("q3", "e4b", error="the server is down"))
    export(tmp_path, rescore(folder))
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        found = {(r["variant"], r["lang"], r["id"]): r for r in csv.DictReader(file)}
    told = [(r["outcome"], r["failure"], r["error"]) for v in ("e4b", "extractive") for r in [found[v, "ta", "q3"]]]
    assert told == [("failed", "the server is down", ""), ("answered", "", "0.0")]


def test_parquet_holds_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    result = rescore(fill(tmp_path / "run", {"extractive": 9}))
    assert export(tmp_path, result) == ""
    found = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert {r["lang"] for r in found} == set(ASKED)
    assert next(r for r in found if (r["lang"], r["id"]) == ("zh", "q2"))["contains"] == 1.0
    assert parquet.read_table(tmp_path / "metrics.parquet").num_rows > 100


def test_a_killed_run_repeats_no_finished_call_and_ends_in_the_same_report(tmp_path, indexed):
    found = measure(indexed, tmp_path, 3, ["--langs", "ta,ar", "--limit", "2", "--concurrency", "2"], pause=0.05)
    assert found.kills == 3
    assert found.repeated == 0
    assert found.identical == found.rounds > 0


def test_a_repeated_call_would_be_seen(tmp_path):
    write_plan(tmp_path, PLAN)
    watch = Watch(0.0, tmp_path)
    example = PLAN.examples["ta"][0]
    body = {"prompt": f"[1] ¦ நைல் ஓர் ஆறு.\n\n{example.question}"}
    watch(body)
    assert not watch.repeated
    RowStore(tmp_path).append("ta", Prediction(example.id, "e4b", "நைல்", passages=("நைல் ஓர் ஆறு.",)))
    assert len(rows_on_disk(tmp_path)) == 1
    watch(body)
    assert watch.repeated == [prompt_of(body)]


def test_a_fine_tune_is_told_its_gain_over_its_base(tmp_path):
    own = {"my-si": {"tag": "ollama:me/gemma", "base": "e4b", "context": None}}
    plan = RunPlan({**PLAN.signature, "own_variants": own}, PLAN.examples)
    result = rescore(fill(tmp_path / "runs" / "one", {"e4b": 6, "my-si": 12, "31b": 12}, plan))
    page = markdown(result)
    assert "| accuracy (contains) | my-si | e4b | ta | +50.0 [" in page
    assert "| accuracy (contains) | my-si | 31b | ta |" not in page.partition("## Comparison of variants")[0]
    assert "Gain over the base" not in markdown(rescore(fill(tmp_path / "two", {"e4b": 6, "31b": 12})))
    assert pair_with_base(
        {"a e4b+think": "e4b+think", "b my-si+think": "my-si+think", "b my-si": "my-si"}, read(own)
    ) == [("b my-si+think", "a e4b+think")]


def read(own):
    return {name: CustomVariant(**found) for name, found in own.items()}
