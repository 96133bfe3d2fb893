"""mlrag keys: make, list and revoke the keys of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.errors import MlragError, SettingsError
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.state.keys import FileKeys, KeyStore, Scope, make_key

app = typer.Typer(help="Keys for the service.", no_args_is_help=True)
_out, _err = Console(), Console(stderr=True)


@contextmanager
def _kept() -> Iterator[KeyStore]:
    """Where the keys are; what goes wrong inside is told, and ends the command."""
    from mlrag.factory import make_keys

    try:
        yield make_keys(Settings())
    except MlragError as error:
        _err.print(f"[red]{escape(str(error))}[/red]")
        raise typer.Exit(1) from None


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[Scope, typer.Option(help="read: ask. write: change documents too. admin: everything.")] = "read",
    lang: Annotated[list[str] | None, typer.Option(help="Only this language's documents; may be repeated.")] = None,
) -> None:
    """Make a key. It is printed once, to stdout; only its hash is kept."""
    with _kept() as keys:
        key, token = make_key(name, scope, tuple(language(code).code for code in lang or []))
        if not keys.add(key):
            raise SettingsError(f"there is a key named {name!r} already", f"revoke it first: mlrag keys revoke {name}")
    _out.print(token, markup=False, soft_wrap=True)
    _err.print("Send it as: Authorization: Bearer KEY. It cannot be shown again.", style="dim")


@app.command("list")
def show() -> None:
    """Every key's name, scope, languages and age. Never a key."""
    table = Table("name", "scope", "languages", "made")
    with _kept() as keys:
        for key in keys.read():
            table.add_row(escape(key.name), key.scope, ", ".join(key.languages) or "all", key.created)
    _out.print(table)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Make a key worthless, at once, in a running service too; within a second where keys are on a server."""
    with _kept() as keys:
        if not keys.revoke(name):
            raise SettingsError(f"no key is named {name!r}", "see: mlrag keys list")
        left = keys.read()
    if not left:
        _err.print("That was the last key: the service now answers this machine only, without one.", style="yellow")


@app.command()
def move() -> None:
    """Carry the keys of the data folder to the server of store_url, where all replicas find them."""
    with _kept() as keys:
        settings = Settings()
        if not settings.store_url.get_secret_value():
            raise SettingsError("there is no server to move keys to", "set MLRAG_STORE_URL")
        own = FileKeys(settings.keys_file)
        for key in own.read():
            if not keys.add(key):
                raise SettingsError(f"the server has a key named {key.name!r}", f"mlrag keys revoke {key.name}")
            own.revoke(key.name)
            _err.print(f"{escape(key.name)} moved", style="dim")
