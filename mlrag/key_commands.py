"""mlrag keys: make, list and revoke the keys of the service."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.errors import MlragError
from mlrag.keys import Key, Scope, make_key, read_keys, write_keys
from mlrag.languages import language
from mlrag.settings import Settings

app = typer.Typer(help="Keys for the service.", no_args_is_help=True)
_out, _err = Console(), Console(stderr=True)


def _load() -> tuple[Settings, list[Key]]:
    try:
        settings = Settings()
        return settings, read_keys(settings.keys_file)
    except MlragError as error:
        raise _stop(str(error)) from None


def _stop(message: str) -> typer.Exit:
    _err.print(f"[red]{escape(message)}[/red]")
    return typer.Exit(1)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[Scope, typer.Option(help="read: ask. write: change documents too. admin: everything.")] = "read",
    lang: Annotated[list[str] | None, typer.Option(help="Only this language's documents; may be repeated.")] = None,
) -> None:
    """Make a key. It is printed once, to stdout; only its hash is kept."""
    settings, keys = _load()
    if any(key.name == name for key in keys):
        raise _stop(f"there is a key named {name!r} already; revoke it first: mlrag keys revoke {name}")
    try:
        languages = tuple(language(code).code for code in lang or [])
    except MlragError as error:
        raise _stop(str(error)) from None
    key, token = make_key(name, scope, languages)
    write_keys(settings.keys_file, [*keys, key])
    _out.print(token, markup=False, soft_wrap=True)
    _err.print("Send it as: Authorization: Bearer KEY. It cannot be shown again.", style="dim")


@app.command("list")
def show() -> None:
    """Every key's name, scope, languages and age. Never a key."""
    table = Table("name", "scope", "languages", "made")
    for key in _load()[1]:
        table.add_row(escape(key.name), key.scope, ", ".join(key.languages) or "all", key.created)
    _out.print(table)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Make a key worthless, at once, in a running service too."""
    settings, keys = _load()
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        raise _stop(f"no key is named {name!r}; see: mlrag keys list")
    write_keys(settings.keys_file, kept)
    if not kept:
        _err.print("That was the last key: the service now answers this machine only, without one.", style="yellow")
