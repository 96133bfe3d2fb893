"""Indexing and asking on a Ray cluster of three nodes: what is lost there costs time and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.kill_runs import files, timeless
from eval.report.render import render
from eval.tiers import rescore
from mlrag.cli.main import app
from tests.conftest import HOUSE
from tests.support.postgres import missing
from tests.support.ray_nodes import EACH

pytestmark = pytest.mark.slow


def why_not() -> str:
    """Why no cluster can be started here; "" where one can."""
    if find_spec("ray") is None:
        return "Ray is not installed: pip install -e '.[ray]'"
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "a cluster on one machine needs unshare and ip (util-linux, iproute2)"
    allowed = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True)
    return "" if allowed.returncode == 0 else "a cluster on one machine needs the right to make a network namespace"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(scope="module")
def world(work):
    """What `tests/support/ray_nodes.py` saw on its cluster."""
    if why_not():
        pytest.skip(why_not())
    inside = 'ip link set lo up && exec "$0" -W ignore -m tests.support.ray_nodes "$1"'
    command = ["unshare", "-n", "sh", "-c", inside, sys.executable, str(work)]
    environment = os.environ | {"TMPDIR": "/tmp", "PYTHONPATH": str(HOUSE)}  # Ray's sockets need short paths
    done = subprocess.run(command, cwd=HOUSE, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


def test_a_killed_run_goes_on_and_a_lost_node_loses_no_document(world):
    """The stores hold what those of one machine hold, byte for byte; what a killed run had stored is not done again."""
    assert {lang: (n, content) for lang, (n, _, content) in world["held"].items()} == {
        lang: (n, content) for lang, (n, _, content) in world["alone"].items()
    }
    assert 16 <= world["stored_at_kill"] < 2 * EACH
    indexed = 2 * EACH - world["stored_at_kill"]
    assert world["said"].startswith(f"{indexed} documents indexed, {world['stored_at_kill']} unchanged")


def test_indexing_into_postgresql_outlives_a_lost_primary(world):
    """The promoted standby holds what one machine's folder holds, byte for byte."""
    if missing():
        pytest.skip(missing())
    server = world["server"]
    assert 0 < server["at_kill"] < 2 * EACH
    assert {lang: (n, content) for lang, (n, _, content) in server["held"].items()} == {
        lang: (n, content) for lang, (n, _, content) in world["alone"].items()
    }


def test_a_broken_and_a_poisoned_file_are_named_with_the_reason(world):
    broken, poison = world["problems"]
    assert "broken.docx is not a .docx that can be opened" in broken
    assert "poison.md: it could not be indexed: it ended its worker each time" in poison


def test_questions_of_a_dead_host_go_to_the_living_one_and_none_is_asked_twice(world):
    alone, living, dying = world["tiers"]["calls"]
    assert living >= alone - dying > 0 and dying > 0
    assert world["tiers"]["repeated"] == 0


@pytest.mark.usefixtures("world")
def test_a_report_from_the_cluster_is_that_of_one_machine(work):
    def whole(name):
        run = timeless(Path((work / name / "run").read_text(encoding="utf-8")), work)
        render(rescore(run), work / f"report-{name}")
        return files(work / f"report-{name}")

    here = whole("here")
    assert here == whole("there")
    assert {"tiers.md", "tiers.json", "rows.csv", "index.html"} <= set(here)


def test_without_the_extra_the_error_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ray.data", None)
    (tmp_path / "a.txt").write_text("The Nile is a river.", encoding="utf-8")
    done = CliRunner().invoke(app, ["index", "--ray", "auto", str(tmp_path / "a.txt")])
    assert done.exit_code == 1
    assert "pip install 'mlrag[ray]'" in " ".join(done.stderr.split())


def test_a_watched_folder_is_not_for_a_cluster(tmp_path):
    done = CliRunner().invoke(app, ["index", "--watch", "--ray", "auto", str(tmp_path)])
    assert done.exit_code == 1 and "--watch indexes on this machine alone" in " ".join(done.stderr.split())
