"""What tests of advice share: needs, made-up measurements, the command."""

import numpy as np
import typer
from typer.testing import CliRunner

import eval.advise
from eval.advice.constraints import parse_candidate
from eval.advice.decision_rule import Table
from eval.advice.evidence import CandidateResults, ReplyScore, RunEvidence
from eval.advice.need import TargetHardware, build_requirements, parse_weights

run = CliRunner()
SERVER = TargetHardware(64.0, 0.0, 500.0, 8, "given")
HOSTILE = "<script>alert(1)</script>"


def need(langs="ta,si", **wishes):
    return build_requirements(parse_weights(langs), None, None, wishes)


def advise_cli(*args, env=None):
    app = typer.Typer()
    app.command()(eval.advise.main)
    return run.invoke(app, [*args], env={"COLUMNS": "200", **(env or {})})


def table(values, strata=1, clusters=None):
    values = np.asarray(values, float)
    n = values.shape[1]
    return Table(
        tuple("abcdefghijkl"[: len(values)]),
        values,
        np.arange(n) % strata,
        np.arange(n) if clusters is None else np.asarray(clusters),
        np.full(strata, 1 / strata),
    )


QUESTIONS = 700


def measured(name, right, silent=0.8, langs=("ta", "si"), own=None, seed=0, model="", seconds=1.0, n=QUESTIONS):
    """Rows as a run would give them: answerable ones and twins whose document is hidden."""
    rng = np.random.default_rng([seed, sum(map(ord, name))])
    outcomes = {
        lang: {f"q{i}": ReplyScore(f"q{i}", "answer", float(rng.random() < right)) for i in range(n)}
        | {f"q{i}~": ReplyScore(f"q{i}", "article_removed", float(rng.random() < silent)) for i in range(n)}
        for lang in langs
    }
    return CandidateResults(
        parse_candidate(name, own), (model or name,), outcomes, {}, {}, seconds, 2 * seconds, (900.0, 100.0)
    )


def evidence(*found):
    return RunEvidence({m.candidate.name: m for m in found}, ("toy",), ())
