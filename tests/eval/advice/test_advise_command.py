"""Advice as typed: the command, its pages, its sentences."""

import json

import pytest
import typer

import eval.tiers
from benchmarks.advice_profiles import Profile, Script, make_run
from eval.advice.constraints import check_candidate, parse_candidate
from eval.advice.evidence import read_evidence
from eval.advice.gain import measure_gains
from eval.advice.need import (
    Requirements,
)
from mlrag.errors import CorpusFormatError
from mlrag.models.memory_fit import memory_gb
from mlrag.models.route_file import routes_from
from mlrag.models.routing import Budget
from mlrag.models.variants import CustomVariant, family
from mlrag.testing import FakeOllama
from tests.support.advice import HOSTILE, SERVER, advise_cli, run

TUNED = {"my-si": {"tag": "ollama:me/tuned", "base": "e4b"}}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A run that stand-ins answered, one of them a fine-tune's."""
    scripts = {
        "e4b": Script(0.6, 0.0, 0.6, 1.0, 50),
        "my-si": Script(0.97, 0.0, 0.97, 1.0, 50),
        "31b": Script(0.97, 0.0, 0.9, 9.0, 50),
    }
    return make_run(tmp_path_factory.mktemp("toy"), Profile((), ("ta", "si"), scripts))


def test_the_command_advises_from_a_run_and_writes_what_can_be_followed(toy, tmp_path):
    env = {"MLRAG_VARIANTS": json.dumps(TUNED), "MLRAG_DATA_DIR": str(tmp_path)}
    args = ["--langs", "ta,si", "--run", str(toy), "--ram", "16", "--vram", "0", "--out", str(tmp_path / "out")]
    done = advise_cli(*args, "--compare", "my-si", "--json", env=env)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out" / "advice.json").read_text(encoding="utf-8"))
    assert told["schema"] == "mlrag.advice/1"
    assert told["choice"] == told["route"]["default"]["variant"] == "my-si"
    assert set(told["stand_ins"]) == {"e4b", "my-si", "31b"}
    assert "31b" not in told["lines"][0]["means"]
    assert set(told["route"]["languages"]) == {"ta", "si"}
    feasible = {f["variant"] for f in told["feasibility"] if f["feasible"]}
    for step in [told["route"]["default"], *told["route"]["tiers"].values(), *told["route"]["languages"].values()]:
        assert {step["variant"], *step["fallbacks"]} <= feasible
    routes = routes_from(told, "advice.json", None, None, Budget())
    assert {rule.variant for rule in routes.rules.values()} == {"my-si"}
    assert (routes.default.lighter, routes.default.escalate) in {("e4b", None), (None, None)}  # 31b was left out
    assert routes.prices["my-si"] == (0.0, 0.0)
    assert [row["language"] for row in told["gain"]["rows"]] == ["ta", "si"]
    assert told["gain"]["base"] == "e4b"
    page = (tmp_path / "out" / "advice.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "stand-in" in page
    shown = advise_cli(*args, "--langs", "si", "--regime", "pdpa-lk", "--scenario", "A", env=env)
    assert "not legal advice" in shown.stdout
    assert "Stand-ins answered" in shown.stdout


def test_a_fine_tune_is_held_against_its_base_only(toy):
    own = {"my-si": CustomVariant(**TUNED["my-si"])}
    found = read_evidence([toy], ["ta", "si"], own)
    base, gained = measure_gains(found, "my-si", own)
    assert base == "e4b"
    assert all(g.difference.value > 0 and g.difference.n > 50 for g in gained)
    with pytest.raises(CorpusFormatError, match="was not measured"):
        measure_gains(found, "26b", own)


def test_the_page_escapes_what_a_name_brings(toy, tmp_path):
    own = {f"tuned{HOSTILE}": {"tag": "ollama:me/tuned", "base": "e4b"}}
    env = {"MLRAG_VARIANTS": json.dumps(own), "MLRAG_DATA_DIR": str(tmp_path)}
    lines = (toy / "plan.json").read_text(encoding="utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text(lines, encoding="utf-8")
    for path in toy.glob("*.jsonl"):
        text = path.read_text(encoding="utf-8").replace('"my-si"', json.dumps(f"tuned{HOSTILE}"))
        (tmp_path / "run" / path.name).write_text(text, encoding="utf-8")
    done = advise_cli("--langs", "ta", "--run", str(tmp_path / "run"), "--out", str(tmp_path), env=env)
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "advice.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("scenario", ["A", "B", "C", "D", "E"])
def test_every_scenario_is_answered_without_any_run(scenario, tmp_path):
    env = {"MLRAG_DATA_DIR": str(tmp_path)}
    args = ["--scenario", scenario, "--langs", "en,ta", "--published", "--vram", "0", "--out", str(tmp_path), "--json"]
    done = advise_cli(*args, *([] if scenario in "BC" else ["--ram", "32"]), env=env)
    told = json.loads(done.stdout)
    assert told["status"] == "nothing measured"
    assert next(f for f in told["feasibility"] if f["variant"] == told["choice"])["feasible"]


def test_nothing_feasible_is_said_with_what_would_admit_something(tmp_path):
    args = ["--langs", "ta", "--ram", "2", "--vram", "0", "--audio", "--published", "--out", str(tmp_path)]
    done = advise_cli(*args, env={"MLRAG_DATA_DIR": str(tmp_path)})
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing is feasible")
    assert "GB more" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--langs", "xx"], "xx"),
        (["--langs", "ta", "--log", "x"], "one of --langs"),
        (["--weights", "love=1"], "known: quality"),
        (["--weights", "quality"], "--weights quality=2"),
        (["--run", "nowhere"], "nowhere"),
        (["--regime", "mars"], "known: gdpr"),
        (["--log", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wishes_that_cannot_be_met_are_one_sentence(args, said, tmp_path):
    done = advise_cli(*args, "--out", str(tmp_path), env={"MLRAG_DATA_DIR": str(tmp_path)})
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_of_the_bench_with_a_double_is_advised_on(indexed, tmp_path):
    env = {"MLRAG_DATA_DIR": str(indexed)}
    app = typer.Typer()
    app.command()(eval.tiers.main)
    with FakeOllama() as double:
        args = ["--langs", "si", "--limit", "4", "--variants", "extractive,e4b", "--out", str(tmp_path), "--json"]
        done = run.invoke(app, args, env=env | {"MLRAG_OLLAMA_HOST": double.url})
    name = json.loads(done.stdout)["run"]
    told = json.loads(
        advise_cli("--langs", "si", "--run", name, "--ram", "32", "--out", str(tmp_path), "--json", env=env).stdout
    )
    assert told["runs"] == [name]
    assert told["stand_ins"] == ["e4b"]
    assert told["status"] == "cannot tell"  # four questions
    assert "--data DIR --limit" in told["lines"][0]["command"]


def test_memory_is_that_of_the_fitting_page():
    spec = family()["12b"]
    assert check_candidate(parse_candidate("12b"), Requirements({"ta": 1.0}), SERVER).memory == memory_gb(
        spec, "q4_k_m", 8192
    )
