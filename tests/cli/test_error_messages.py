"""Error messages of all commands arrive on stderr word for word: brackets are never taken for Rich markup."""

import importlib

import pytest
import typer
from typer.testing import CliRunner

from mlrag.cli import doctor as doctor_module
from mlrag.cli.main import app
from mlrag.console import exit_on_error
from mlrag.errors import GeneratorUnavailableError, SettingsError

run = CliRunner()
HINT = ".venv/bin/pip install -e '.[gemini]'"
BENCH_COMMANDS = {
    "eval.advise": (),
    "eval.choice.__main__": ("--data", "set"),
    "eval.consistency": (),
    "eval.instructions.__main__": (),
    "eval.judge.__main__": ("--judge", "e4b"),
    "eval.label": ("[/path]",),
    "eval.longcontext.__main__": (),
    "eval.reasoning.__main__": (),
    "eval.retrieval": (),
    "eval.safety": (),
    "eval.tiers": (),
}


def fail(error):
    command = typer.Typer()

    @command.command()
    def main():
        with exit_on_error(ValueError):
            raise error

    return run.invoke(command)


@pytest.mark.parametrize(
    "error",
    [
        GeneratorUnavailableError("google-genai is not installed", HINT),
        SettingsError("cannot read [/path] or [red]this[/red]"),
        ValueError("[/] [[b] \\[x]"),
    ],
)
def test_the_whole_message_is_printed_and_the_status_is_1(error):
    done = fail(error)
    assert done.exit_code == 1
    assert done.stderr == f"{error}\n"
    assert done.stdout == ""


def test_a_long_message_is_not_broken_into_lines():
    message = "word " * 100 + "end"
    assert fail(ValueError(message)).stderr == message + "\n"


def test_another_exception_is_not_hidden():
    assert isinstance(fail(KeyError("bug")).exception, KeyError)


@pytest.mark.parametrize(("name", "args"), BENCH_COMMANDS.items())
def test_commands_of_the_bench_print_brackets_of_an_error(name, args, monkeypatch):
    monkeypatch.setenv("MLRAG_VARIANTS", '{"[/path]": {"tag": "my:tag", "base": "e5b"}}')
    command = typer.Typer()
    command.command()(importlib.import_module(name).main)
    done = run.invoke(command, list(args))
    assert done.exit_code == 1, done.output
    assert "[/path]" in done.stderr


def test_doctor_shows_fixes_with_their_brackets(monkeypatch, tmp_path):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(doctor_module, "_version", lambda _package: "")
    shown = run.invoke(app, ["doctor"], env={"COLUMNS": "250"}).stdout
    assert ".venv/bin/pip install -e '.[hub]'" in shown
