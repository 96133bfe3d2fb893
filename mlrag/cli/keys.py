"""`mlrag keys`: make, list and revoke the keys of the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.console import exit_on_error
from mlrag.errors import SettingsError
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.state.keys import FileKeys, KeyStore, Scope, make_key

app = typer.Typer(help="Keys for the service.", no_args_is_help=True)
_out, _err = Console(), Console(stderr=True)


@contextmanager
def _open_keys() -> Iterator[KeyStore]:
    """The key store of the settings. An error inside ends the command."""
    from mlrag.factory import make_keys

    with exit_on_error():
        yield make_keys(Settings())


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[Scope, typer.Option(help="read: ask. write: change documents too. admin: everything.")] = "read",
    lang: Annotated[list[str] | None, typer.Option(help="Only this language's documents; may be repeated.")] = None,
) -> None:
    """Make a key. It is printed once, to stdout; only its hash is kept."""
    with _open_keys() as keys:
        key, token = make_key(name, scope, tuple(language(code).code for code in lang or []))
        if not keys.add(key):
            raise SettingsError(f"there is a key named {name!r} already", f"revoke it first: mlrag keys revoke {name}")
    _out.print(token, markup=False, soft_wrap=True)
    _err.print("Send it as: Authorization: Bearer KEY. It cannot be shown again.", style="dim")


@app.command("list")
def show() -> None:
    """List every key's name, scope, languages and age. Never a key."""
    table = Table("name", "scope", "languages", "made")
    with _open_keys() as keys:
        for key in keys.read():
            table.add_row(escape(key.name), key.scope, ", ".join(key.languages) or "all", key.created)
    _out.print(table)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """Revoke a key. A running service refuses it at once; within a second where keys are on a server."""
    with _open_keys() as keys:
        if not keys.revoke(name):
            raise SettingsError(f"no key is named {name!r}", "see: mlrag keys list")
        remaining = keys.read()
    if not remaining:
        _err.print("That was the last key: the service now answers this machine only, without one.", style="yellow")


@app.command()
def move() -> None:
    """Move the keys of the data folder to the server of store_url, where all replicas read them."""
    with _open_keys() as keys:
        settings = Settings()
        if not settings.store_url.get_secret_value():
            raise SettingsError("there is no server to move keys to", "set MLRAG_STORE_URL")
        local = FileKeys(settings.keys_file)
        for key in local.read():
            if not keys.add(key):
                raise SettingsError(f"the server has a key named {key.name!r}", f"mlrag keys revoke {key.name}")
            local.revoke(key.name)
            _err.print(f"{escape(key.name)} moved", style="dim")
