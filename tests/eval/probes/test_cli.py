"""How the commands of probes fail."""

import io

import pytest
import typer
from rich.console import Console

from eval.probes.cli import exit_on_error
from mlrag.errors import MlragError


@pytest.mark.parametrize("message", ["pip install -e '.[gemini]'", "no file [/path]", "[red]"])
def test_an_error_is_printed_as_it_is(message):
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(typer.Exit) as failure, exit_on_error(console):
        raise MlragError(message)
    assert failure.value.exit_code == 1
    assert console.file.getvalue() == f"{message}\n"
