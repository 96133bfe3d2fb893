"""The commands as a user types them."""

import json

import pytest
from typer.testing import CliRunner

import eval.retrieval
import eval.tiers
from mlrag.cli.main import app
from mlrag.index.local.store import Store
from mlrag.languages import languages
from mlrag.settings import Settings
from mlrag.testing import FakeOllama
from tests.conftest import SHARED

run = CliRunner()


@pytest.fixture(autouse=True)
def folder(monkeypatch, indexed):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(indexed))


def test_languages_lists_every_pack():
    shown = run.invoke(app, ["languages"]).stdout
    assert all(code in shown for code in languages())
    assert run.invoke(app, ["languages", "check", "ta"]).exit_code == 0
    assert run.invoke(app, ["languages", "check", "xx"]).exit_code == 1


def test_ask_prints_json():
    done = run.invoke(app, ["ask", "සීගිරිය පර්වතයේ උස කොපමණද?", "--json"])
    assert json.loads(done.stdout)["lang"] == "si"


def test_index_takes_a_folder_and_names_what_it_skips(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("කඳුකරයේ වැස්ස අද ද වැටේ.", encoding="utf-8")
    (tmp_path / "docs" / "b.txt").write_bytes(b"\xff\xfe broken")
    done = run.invoke(app, ["index", str(tmp_path / "docs")])
    assert done.exit_code == 1
    assert "UTF-8" in done.stderr
    assert "1 documents indexed" in done.stderr
    assert (tmp_path / "var" / "index" / "si" / "store.sqlite").exists()


def test_rebuild_forgets_what_was_there_and_lang_names_the_language(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("Um rio corre aqui. Ele tem 12 km.", encoding="utf-8")
    second.write_text("Uma serra fica ali. Ela tem 900 m.", encoding="utf-8")
    counts = []
    for args in ([str(first)], [str(second)], ["--rebuild", str(second)]):
        assert run.invoke(app, ["index", *args, "--lang", "es"]).exit_code == 0
        counts.append(Store(tmp_path / "var" / "index" / "es" / "store.sqlite", "es").counts().documents)
    assert counts == [1, 2, 1]
    assert [p.name for p in (tmp_path / "var" / "index").iterdir()] == ["es"]
    refused = run.invoke(app, ["index", str(first), "--lang", "xx"])
    assert refused.exit_code == 1
    assert "known: " in refused.stderr


def test_mlrag_toml_is_read_and_the_environment_beats_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MLRAG_DATA_DIR")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlrag.toml").write_text('data_dir = "elsewhere"\nk = 3\n', encoding="utf-8")
    (tmp_path / "a.txt").write_text("Der Fluss ist 12 km lang.", encoding="utf-8")
    assert (Settings().k, Settings().timeout) == (3, 120.0)
    assert run.invoke(app, ["index", "a.txt"]).exit_code == 0
    assert (tmp_path / "elsewhere" / "index" / "de" / "store.sqlite").is_file()
    monkeypatch.setenv("MLRAG_K", "7")
    assert Settings().k == 7


def test_doctor_says_what_would_run():
    shown = run.invoke(app, ["doctor"], env={"COLUMNS": "200"}).stdout
    assert "multilingual-e5-small" in shown
    assert "extractive" in shown
    assert "Gemma 4 31B" in shown
    assert "needs 22.5 GB at 8192 tokens" in shown


def test_doctor_says_what_ollama_has_and_what_is_loaded(monkeypatch):
    with FakeOllama(models=("gemma4:e4b",)) as double:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        double.loaded.add("gemma4:e4b")
        shown = run.invoke(app, ["doctor"], env={"COLUMNS": "250"}).stdout
    shown = " ".join(shown.split())
    assert "gemma4:e4b; loaded: gemma4:e4b" in shown
    assert "would ask" in shown


def test_settings_are_shown_and_keys_are_not(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "secret-2")
    shown = run.invoke(app, ["settings"], env={"COLUMNS": "200"}).stdout
    assert "ollama_host" in shown
    assert "secret-2" not in shown


def test_settings_that_cannot_be_used_are_one_sentence(monkeypatch):
    monkeypatch.setenv("MLRAG_VARIANTS", '{"mine": {"tag": "my:tag", "base": "e5b"}}')
    done = run.invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "known: e2b, e4b, 12b, 26b, 31b" in " ".join(done.stderr.split())


def tiers(*args):
    import typer

    command = typer.Typer()
    command.command()(eval.tiers.main)
    return run.invoke(command, list(args))


def test_tiers_reports_extractive_and_a_stand_in_and_what_cannot_run(tmp_path, monkeypatch):
    with FakeOllama() as double:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        args = [
            "--langs",
            "ta,ar",
            "--limit",
            "6",
            "--variants",
            "extractive,e4b,31b",
            "--out",
            str(tmp_path),
            "--json",
        ]
        first = tiers(*args)
        asked = len(double.requests)
        again = tiers(*args)
    assert first.exit_code == 0, first.stderr
    rescored = tiers("--rescore", "--run", json.loads(again.stdout)["run"], *args[4:])  # the server is gone
    assert rescored.stdout == again.stdout
    assert len(double.requests) == asked
    assert again.stdout == first.stdout
    found = json.loads(first.stdout)["variants"]
    assert found["e4b"]["models"] == ["ollama:gemma4:e4b [stand-in]"]
    assert found["31b"]["tiers"]["T2"]["failed"] == found["31b"]["tiers"]["T2"]["n"]
    assert "ollama pull" in found["31b"]["tiers"]["T2"]["reason"]
    assert found["extractive"]["languages"]["ta"]["metrics"]["contains"]["n"] > 0
    assert 'dir="rtl"' in (tmp_path / "ar.html").read_text(encoding="utf-8")
    assert "stand-in" in (tmp_path / "tiers.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared evaluation sets are not beside the project")
def test_retrieval_measures_a_set_that_people_bring(tmp_path):
    import typer

    for kind in ("passages", "questions"):
        lines = (SHARED / "main" / f"hi.xquad.{kind}.jsonl").read_text(encoding="utf-8").splitlines()
        (tmp_path / f"hi.xquad.{kind}.jsonl").write_text("\n".join(lines[:60]), encoding="utf-8")
    command = typer.Typer()
    command.command()(eval.retrieval.main)
    done = run.invoke(command, ["--data", str(tmp_path), "--json"])
    found = json.loads(done.stdout)
    assert set(found["mean"]) == {"hybrid", "dense", "lexical"}
    assert set(found["mean"]["hybrid"]) == {"mrr@10", "ndcg@10", "recall@1", "recall@5"}
    assert found["languages"]["hi"]["n"] > 0


def test_index_without_paths_and_without_the_corpora_folder_names_the_fix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run.invoke(app, ["index"])
    assert result.exit_code == 1
    assert "there is no folder corpora" in result.stderr
    assert "mlrag index PATH" in result.stderr
