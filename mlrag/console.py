"""How a command fails: the error in plain text on stderr, exit status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from mlrag.errors import MlragError


def print_error(error: Exception | str) -> None:
    """Print the message and its hint in red on stderr. Brackets in it are text, never Rich markup."""
    Console(stderr=True).print(Text(str(error), style="red"), soft_wrap=True)


@contextmanager
def exit_on_error(*others: type[Exception]) -> Iterator[None]:
    """Turn an MlragError, or one of the `others`, into its printed message and exit status 1."""
    kinds: tuple[type[Exception], ...] = (MlragError, *others)
    try:
        yield
    except kinds as error:
        print_error(error)
        raise typer.Exit(1) from None
