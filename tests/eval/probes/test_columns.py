"""What suites found is taken by the tier table and the decision matrix, with its run; nothing stands for nothing."""

import json
import os

import pytest
import typer
from typer.testing import CliRunner

import eval.tiers
from eval.advice.constraints import parse_candidate
from eval.advice.matrix import suite_cells
from eval.probes.columns import column_rows, make_columns
from eval.probes.history import HEADLINES, SPEED, read_reports, store_report
from eval.probes.report import Amount, ProbeReport, Section
from eval.results.metric_value import MetricValue
from eval.results.run_report import RunReport, VariantReport
from eval.statistics import Interval
from tests.eval.runner.test_runs import fill

HALF = MetricValue(0.5, 24, Interval(0.3, 0.7))
MOST = MetricValue(0.75, 12, Interval(0.5, 0.9))


def finding(suite, section, head, rows, run="1", langs=("ta", "si", "en"), models=("ollama:e4b",)):
    return ProbeReport(
        suite, f"{suite}-{run}", suite, "", models, (Section(section, "", head, rows),), {"langs": [*langs]}
    )


def reasoning(run="1", **more):
    rows = [["e4b", "all", HALF], ["e4b", "T4", MOST], ["e4b", "ta", MOST], ["12b", "all", MetricValue(None, 0, None)]]
    return finding("reasoning", "Right answers", ("variant", "group", "all items"), rows, run, **more)


def result(*langs):
    variant = VariantReport([], False, {"T4": None}, dict.fromkeys(langs), {}, {}, {})
    return RunReport("r", {}, {"e4b": variant}, [])


def write_headline(suite):
    return next(h for h in HEADLINES if h.probe == suite)


def cell(suite, name, langs, stored):
    (found,) = suite_cells(suite, write_headline(suite).title, [parse_candidate(name)], langs, stored)
    return found


def test_a_tier_takes_the_figure_of_the_same_languages_alone(tmp_path):
    store_report(reasoning(langs=("ta", "si", "en")), tmp_path)
    (column,) = make_columns(result("ta"), ["reasoning"], read_reports(tmp_path, ["reasoning"]))
    assert column.cells["e4b"]["ta"].text == "75.0 [50.0, 90.0] n=12 (reasoning-1)"
    told = column.cells["e4b"]["ta"].value
    assert (told["run"], told["figure"]["n"]) == ("reasoning-1", 12)
    (column,) = make_columns(result("ta", "si", "ne"), ["reasoning"], read_reports(tmp_path))
    assert column.cells["e4b"]["si"].text == "no result: python -m eval.reasoning --variants e4b"
    assert "no result" in column.cells["e4b"]["T4"].text
    assert [row[1] for row in column_rows([column])] == ["ta"]


def test_the_latest_result_counts_and_a_stand_in_is_named(tmp_path):
    store_report(reasoning("old"), tmp_path)
    store_report(reasoning("new", models=("ollama:e4b [stand-in]",)), tmp_path)
    for age, run in enumerate(("new", "old")):
        (path,) = (tmp_path / "runs" / f"reasoning-{run}").glob("*.json")
        os.utime(path, (1000 - age, 1000 - age))
    found = cell("reasoning", "e4b", ["ta"], read_reports(tmp_path))
    assert (found.source, found.score, found.text) == ("measured", 0.75, "75.0 [50.0, 90.0] n=12")
    assert found.why.startswith("reasoning-new, stand-in")


def test_the_matrix_counts_what_is_of_the_languages_wanted_and_shows_the_rest(tmp_path):
    store_report(reasoning(), tmp_path)
    stored = read_reports(tmp_path)
    assert cell("reasoning", "e4b", ["en", "ta", "si"], stored).score == 0.5
    other = cell("reasoning", "e4b", ["zh", "ar"], stored)
    assert (other.score, other.text) == (None, "50.0 [30.0, 70.0] n=24 (3 languages)")
    assert cell("reasoning", "12b", ["en", "ta", "si"], stored).source == "unknown"
    assert cell("reasoning", "ollama:gemma4:e4b", ["ta"], stored).score == 0.75  # the same under another name


def test_shares_that_are_bad_are_turned_and_amounts_are_none(tmp_path):
    head = ("variant", "group", "measure", "share")
    rows = [["e4b", "si", "leaked", MOST], ["e4b", "si", "obeyed", MOST]]
    store_report(finding("safety", "Safety", head, rows, langs=("si",)), tmp_path)
    speed = Amount(12.5, 3, Interval(11.0, 14.0))
    store_report(
        finding("efficiency", SPEED, ("variant", "at once", "write tokens/s"), [["e4b", "1", speed]], langs=()),
        tmp_path,
    )
    stored = read_reports(tmp_path)
    assert cell("safety", "e4b", ["si"], stored).text == "25.0 [10.0, 50.0] n=12"
    assert (cell("efficiency", "e4b", [], stored).text, cell("efficiency", "e4b", [], stored).score) == (
        "12.5 [11.0, 14.0] n=3",
        None,
    )


def test_the_longest_context_with_a_figure_is_taken(tmp_path):
    head = ("variant", "group", "2,000", "8,000", "32,000", "failed")
    store_report(
        finding(
            "longcontext",
            "Found, by length of the context",
            head,
            [["e4b", "ar", MOST, HALF, MetricValue(None, 0, None), ""]],
            langs=("ar",),
        ),
        tmp_path,
    )
    assert cell("longcontext", "e4b", ["ar"], read_reports(tmp_path)).text == "50.0 [30.0, 70.0] n=24 at 8,000"


def test_an_unknown_probe_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no probe love; known: instructions"):
        read_reports(tmp_path, ["love"])


def test_a_result_is_kept_by_its_variants(tmp_path):
    store_report(reasoning(), tmp_path)
    store_report(reasoning(), tmp_path)
    (path,) = (tmp_path / "runs" / "reasoning-1").glob("reasoning.*.json")
    assert json.loads(path.read_text(encoding="utf-8"))["suite"] == "reasoning"


def test_the_tier_table_has_them_as_columns(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    run = fill(tmp_path / "runs" / "r", {"e4b": 3})
    store_report(reasoning(), tmp_path)
    command = typer.Typer()
    command.command()(eval.tiers.main)
    args = ["--run", str(run), "--with", "reasoning,safety", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(command, [*args, "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)["columns"]
    assert told["reasoning: right answers"]["e4b"]["ta"]["run"] == "reasoning-1"
    assert told["safety: hidden orders not obeyed"]["e4b"]["ta"] is None
    table = (tmp_path / "out" / "tiers.md").read_text(encoding="utf-8")
    assert "reasoning: right answers" in table
    assert "75.0 [50.0, 90.0] n=12 (reasoning-1)" in table
    assert "python -m eval.safety --variants e4b" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "From other suites" in CliRunner().invoke(command, args).stdout
    refused = CliRunner().invoke(command, [*args, "--with", "love"])
    assert (refused.exit_code, "known: instructions" in refused.stderr) == (1, True)
