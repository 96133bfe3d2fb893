"""Nothing leaves the machine unless the user names a remote backend, and then the answer says so."""

import json
import os
import subprocess
import sys

import pytest

from mlrag.errors import PrivacyError
from mlrag.factory import is_remote, make_generator
from mlrag.settings import Settings
from mlrag.testing import FakeOllama

WATCHED = """
import json, sys
seen = []
sys.addaudithook(lambda event, args: seen.append(str(args[1])) if event == "socket.connect" else None)
from mlrag.cli.main import app
try:
    app(sys.argv[1:])
finally:
    print(json.dumps(seen), file=sys.stderr)
"""


def connections(settings, variant):
    """Every address that a process which asks one question connects to."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "ask", "How long is the Nile?", "--variant", variant],
        env=settings, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return json.loads(done.stderr.splitlines()[-1])


@pytest.fixture
def environment(indexed):
    return {**os.environ, "MLRAG_DATA_DIR": str(indexed), "MLRAG_PRIVATE": "true"}


def test_extractive_connects_to_nothing(environment):
    assert connections(environment, "extractive") == []


def test_a_local_model_is_all_that_is_spoken_to(environment):
    with FakeOllama() as double:
        seen = connections({**environment, "MLRAG_OLLAMA_HOST": double.url}, "e4b")
    assert seen
    assert all("127.0.0.1" in address for address in seen)


def test_private_forbids_another_machine(embedder):
    settings = Settings(ollama_host="http://models.example:11434", private=True)
    with pytest.raises(PrivacyError, match=r"models\.example"):
        make_generator(settings, embedder, "e4b")
    ours = Settings(ollama_host="http://models.example:11434", private=True, local_hosts=("models.example",))
    assert make_generator(ours, embedder, "e4b").name == "ollama:gemma4:e4b"


@pytest.mark.parametrize(
    ("host", "remote"),
    [("", False), ("127.0.0.1:11434", False), ("localhost:1", False), ("[::1]:80", False), ("example.org", True)],
)
def test_remote_is_every_other_machine(host, remote):
    assert is_remote(host, Settings()) is remote


def test_keys_stay_out_of_sight(monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "secret-1")
    settings = Settings()
    assert settings.ollama_key.get_secret_value() == "secret-1"
    assert "secret-1" not in repr(settings) + settings.model_dump_json()


def test_onnxruntime_is_told_not_to_report(environment):
    """It does so from its own code, which no watch on Python's sockets sees; it reads this before it loads."""
    code = "import mlrag, os, onnxruntime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {k: v for k, v in environment.items() if k != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
