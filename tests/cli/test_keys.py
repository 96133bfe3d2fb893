"""Keys as an operator makes them, and a service that is started for real."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from typer.testing import CliRunner

from mlrag.cli.main import app
from mlrag.state.keys import FileKeys, KeyRing, read_keys

run = CliRunner()


@pytest.fixture
def ring(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    return KeyRing(FileKeys(tmp_path / "keys.json"))


def test_a_key_is_printed_once_and_works_until_it_is_revoked(ring):
    token = run.invoke(app, ["keys", "add", "முரளி", "--lang", "ta", "--lang", "si"]).stdout.strip()
    key = ring.current().find(token)
    assert (key.name, key.scope, key.languages) == ("முரளி", "read", ("ta", "si"))
    shown = run.invoke(app, ["keys", "list"], env={"COLUMNS": "200"}).stdout
    assert "முரளி" in shown
    assert token.split("_", 2)[2] not in shown
    assert run.invoke(app, ["keys", "revoke", "முரளி"]).exit_code == 0
    assert ring.current().find(token) is None


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["add", "a"], "revoke it first"),
        (["add", "b", "--lang", "xx"], "known: "),
        (["revoke", "b"], "mlrag keys list"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(ring, args, sentence):
    run.invoke(app, ["keys", "add", "a"])
    done = run.invoke(app, ["keys", *args])
    assert done.exit_code == 1
    assert sentence in " ".join(done.stderr.split())
    assert len(ring.current()) == 1


def test_a_damaged_file_of_keys_is_never_written_over(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    (tmp_path / "keys.json").write_text('{"keys": [{"name": "a"}]}', encoding="utf-8")
    done = run.invoke(app, ["keys", "add", "b"])
    assert done.exit_code == 1
    assert "cannot be read" in " ".join(done.stderr.split())
    assert "b" not in [row["name"] for row in json.loads((tmp_path / "keys.json").read_text())["keys"]]


def serve(folder, *args):
    environment = {**os.environ, "MLRAG_DATA_DIR": str(folder), "MLRAG_CORPORA": str(folder / "none")}
    command = [sys.executable, "-m", "mlrag", "serve", *args]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_serve_refuses_an_open_address_and_says_how_to_make_a_key(tmp_path):
    with serve(tmp_path, "--host", "0.0.0.0") as process:
        said = " ".join(process.communicate(timeout=60)[1].split())
    assert process.returncode == 1
    assert "mlrag keys add NAME --scope read" in said


def test_serve_logs_json_and_ends_in_peace_when_it_is_told_to(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    token = run.invoke(app, ["keys", "add", "a"]).stdout.strip()
    assert len(read_keys(tmp_path / "keys.json")) == 1
    with serve(tmp_path, "--host", "0.0.0.0", "--port", str(port)) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/languages").status_code == 401
                break
            except httpx.TransportError:
                time.sleep(0.1)
        reply = httpx.get(f"http://127.0.0.1:{port}/ask", params={"q": "தேனீ?"}, headers={"X-API-Key": token})
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [(r["path"], r["status"], r["key"]) for r in rows if r["message"] == "request"] == [
        ("/languages", 401, ""), ("/ask", 404, "a"),
    ]  # fmt: skip
    assert reply.json()["error"]["code"] == "no_index"
    assert "தேனீ" not in said
    assert process.returncode in (0, -signal.SIGTERM)
