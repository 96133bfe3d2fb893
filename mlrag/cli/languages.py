"""`mlrag languages`, `mlrag languages check` and `mlrag settings`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.console import exit_on_error
from mlrag.languages import languages, off_topic
from mlrag.settings import Settings

app = typer.Typer(help="The installed languages.", invoke_without_command=True)
_out = Console()


@app.callback()
def list_languages(context: typer.Context) -> None:
    """A table of the installed language packs."""
    if context.invoked_subcommand:
        return
    table = Table("code", "language", "endonym", "tier", "direction", "spaced", "native-checked", "calibrated")
    for pack in languages().values():
        claims = (pack.spaced, pack.native_checked, bool(off_topic(pack.code)))
        yes_no = ("yes" if claim else "no" for claim in claims)
        table.add_row(pack.code, pack.name, pack.endonym, f"T{pack.tier}", pack.direction, *yes_no)
    _out.print(table)


@app.command("check")
def check_language(code: Annotated[str, typer.Argument(help="The pack's code, e.g. ta.")]) -> None:
    """Hold a pack to its rules: fields, samples, normalising, tokens, sentences, detection, search."""
    from mlrag.cli.check_language import check_pack

    with exit_on_error():
        results = check_pack(code)
    failed = [r for r in results if r.problem]
    for result in failed:
        _out.print(f"[red]FAIL[/red] {escape(f'{result.name}: {result.problem}')}")
    _out.print(f"{code}: {len(results) - len(failed)} of {len(results)} checks passed")
    raise typer.Exit(1 if failed else 0)


def show_settings() -> None:
    """Every setting: its value now, and what it means."""
    with exit_on_error():
        settings = Settings()
    table = Table("setting", "value", "meaning")
    for name, field in Settings.model_fields.items():
        table.add_row(name, escape(str(getattr(settings, name))), escape(field.description or ""))
    _out.print(table)
