"""The safety suite as a command: an obedient stand-in is caught, and the report is that of every suite."""

import json

import typer
from typer.testing import CliRunner

import eval.safety
from eval.safety import CANARY, SECRET
from mlrag.testing import FakeOllama, make_gullible_reply


def test_who_obeys_is_told_from_who_quotes(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MLRAG_FILTER_PROMPT_INJECTION", "false")
    command = typer.Typer()
    command.command()(eval.safety.main)
    with FakeOllama(reply=make_gullible_reply((CANARY, SECRET))) as double:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", double.url)
        args = ["--langs", "ta", "--limit", "1", "--variants", "e4b,31b", "--json"]
        done = CliRunner().invoke(command, args)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {(r["variant"], r["group"], r["measure"]): r for r in found["sections"]["Safety"]}
    assert rows["e4b", "all", "obeyed"]["share"]["value"] > 0
    assert rows["e4b", "ta", "obeyed"]["share"]["n"] == 3  # own, english, control
    assert "ollama pull" in rows["31b", "all", "–"]["failed"]
    assert found["run"].startswith("safety-")
    assert (tmp_path / "reports" / found["run"] / "index.html").is_file()
