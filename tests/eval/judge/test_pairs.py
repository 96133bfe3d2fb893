"""A pair counts only where both orders agree. Judges here are scripted stand-ins."""

import json

import pytest
import typer
from typer.testing import CliRunner

from eval.judge.__main__ import main
from eval.judge.pairs import judge_pairs
from eval.judge.rows import read_answers
from eval.metrics.answers import containment
from mlrag.languages import language
from tests.support.judging import Perfect, double, judge, make_run, parts, settings, verdict


class Pairing(Perfect):
    """Passes the exam; of a pair it takes what `prefer` says of (question's references, first, second)."""

    def __init__(self, langs, prefer, but=()):
        super().__init__(langs, but)
        self.prefer = prefer

    def __call__(self, body):
        shown = parts(body)
        if "First answer" not in shown:
            return super().__call__(body)
        references = shown["Reference answers"].splitlines()
        return verdict(self.prefer(references, shown["First answer"], shown["Second answer"]))


def by_reference(references, *answers):
    first, second = (bool(containment(a, references, language("en"))) for a in answers)
    return "tie" if first == second else "first" if first else "second"


def always_first(*_):
    return "first"


def paired(server, folder, run, name="31b", names=("e2b", "e4b")):
    done = judge_pairs(
        judge(server, folder, name), read_answers(run), names, run, settings(server.url, folder), lambda: None
    )
    return {c.group: c for c in done.groups}, done


def test_a_judge_that_goes_by_the_answers_gives_shares_that_add_up(tmp_path):
    run = make_run(tmp_path / "runs" / "r", ["ta", "zh"], {"e2b": 1.0, "e4b": 0.5})
    with double(Pairing(["ta", "zh"], by_reference)) as server:
        found, done = paired(server, tmp_path, run)
        asked = len(server.requests)
        paired(server, tmp_path, run)
        assert len(server.requests) == asked  # every reply is on disk
    for group in ("all", "ta", "zh"):
        shares = {name: f.value for name, f in found[group].shares.items()}
        assert sum(shares.values()) == pytest.approx(1.0)
        assert (shares["first better"], shares["second better"]) == (pytest.approx(0.5, abs=0.05), 0.0)
        assert (found[group].inconsistent, found[group].unscored, found[group].why) == (0, 0, "")
        interval = found[group].shares["tie"].interval
        assert interval.low < shares["tie"] < interval.high
    assert found["all"].n == found["ta"].n + found["zh"].n
    assert done.gaps == {}


def test_a_judge_that_goes_by_position_decides_nothing(tmp_path):
    run = make_run(tmp_path / "runs" / "r", ["si"], {"e2b": 1.0, "e4b": 0.5})
    with double(Pairing(["si"], always_first)) as server:
        found, _ = paired(server, tmp_path, run)
    assert (found["si"].n, found["si"].shares["first better"].value) == (0, None)
    assert found["si"].inconsistent > 10


def test_a_judge_that_fails_its_exam_is_asked_for_no_pair(tmp_path):
    run = make_run(tmp_path / "runs" / "r", ["ar"], {"e2b": 1.0, "e4b": 0.5})
    with double(Pairing(["ar"], by_reference, but=("other_answer", "swapped_sentence", "abstention"))) as server:
        found, _ = paired(server, tmp_path, run)
        assert not any("First answer" in parts(body) for body in server.requests)
    assert "may be as low as" in found["ar"].why


def test_judging_itself_is_named_with_the_gap(tmp_path, monkeypatch):
    run = make_run(tmp_path / "runs" / "r", ["en"], {"e2b": 0.5, "e4b": 0.5})
    command = typer.Typer()
    command.command()(main)
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    with double(Pairing(["en"], by_reference)) as server:
        monkeypatch.setenv("MLRAG_OLLAMA_HOST", server.url)
        args = [str(run), "--judge", "e4b", "--pairwise", "e2b,e4b"]
        done = CliRunner().invoke(command, [*args, "--json"])
        shown = CliRunner().invoke(command, args)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["gaps"]["e4b"]["value"] == 0.0
    assert "e4b was judged by its own model" in shown.stdout
    assert "inconsistent" in next((run / "judged").glob("*.pairs.*.md")).read_text(encoding="utf-8")


@pytest.mark.parametrize("pair", ["e2b", "e2b,e2b", "e2b,e4b,12b"])
def test_a_pair_is_two_variants(pair, tmp_path):
    command = typer.Typer()
    command.command()(main)
    done = CliRunner().invoke(command, [str(tmp_path), "--judge", "e4b", "--pairwise", pair])
    assert done.exit_code == 2
    assert "FIRST,SECOND" in done.stderr
