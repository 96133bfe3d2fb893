"""mlrag route: install, show and remove the rules by which `auto` chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.errors import MlragError, SettingsError
from mlrag.models.hardware import probe
from mlrag.models.route_file import SPENDABLE, read_advice, read_routes, routes_from, trimmed, unpriced, write_routes
from mlrag.models.routing import Budget, Routes
from mlrag.settings import Settings

LONG = 200  # tokens: our own choice, no measurement stands behind it
_out, _err = Console(), Console(stderr=True)


def route(
    from_: Annotated[Path | None, typer.Option("--from", help="advice.json, written by python -m eval.advise.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the installed rules and what is spent.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Remove them: auto chooses by memory again.")] = False,
    long: Annotated[int, typer.Option(min=0, help="Tokens from which a question is long; 0: never.")] = LONG,
    busy: Annotated[
        int | None,
        typer.Option(min=0, help="Calls under way from which a backend is busy; 0: never. Else: the last place taken."),
    ] = None,
    spend: Annotated[str | None, typer.Option(help="At most, e.g. calls=1000,tokens=2000000,dollars=2.")] = None,
    per: Annotated[Literal["hour", "day"], typer.Option(help="The window of --spend, in UTC.")] = "day",
) -> None:
    """Route the questions of `--variant auto` by the rules of an advice file; docs/choosing.md, section 8."""
    if [from_ is not None, show, off].count(True) != 1:
        raise typer.BadParameter("give one of --from, --show and --off")
    try:
        settings = Settings()
        if off:
            settings.route_file.unlink(missing_ok=True)
            _err.print("auto chooses by memory and published scores again")
        elif show:
            _show(settings)
        elif from_:
            places = min(settings.concurrency, settings.max_asks)
            last = max(1, places - 1) if busy is None else busy
            budget = Budget(window=per, **_limits(spend))
            routes = trimmed(routes_from(read_advice(from_), str(from_), long or None, last or None, budget))
            _install(routes, settings)
            _print(routes)
    except MlragError as error:
        raise _stop(str(error)) from None


def _stop(message: str) -> typer.Exit:
    _err.print(f"[red]{escape(message)}[/red]")
    return typer.Exit(1)


def _limits(spend: str | None) -> dict[str, float]:
    """ "calls=1000,dollars=2" -> {"calls": 1000.0, "dollars": 2.0}. Raises SettingsError."""
    found = {}
    for item in (spend or "").split(",") if spend else ():
        name, _, value = item.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise SettingsError(f"--spend {item!r} is no limit", "for example: --spend calls=1000,dollars=2") from error
    unknown = sorted(set(found) - set(SPENDABLE))
    if unknown:
        raise SettingsError(f"--spend knows no {', '.join(unknown)}", f"known: {', '.join(SPENDABLE)}")
    return found


def _install(routes: Routes, settings: Settings) -> None:
    from mlrag.cli.route_checks import cautions, obstacles

    memory = probe()
    problems = obstacles(routes, settings, memory)
    problems += [
        f"{name}: its price is not known, and the budget is in money: set --spend calls or tokens, and advise "
        "without --budget"
        for name in unpriced(routes)
    ]
    if problems:
        raise SettingsError("the route was not installed:\n" + "\n".join(problems))
    for caution in cautions(routes, settings, memory):
        _err.print(f"[yellow]{escape(caution)}[/yellow]")
    write_routes(settings.route_file, routes)
    _err.print(f"installed as {settings.route_file}; ask with --variant auto", markup=False)


def _show(settings: Settings) -> None:
    routes = read_routes(settings.route_file)
    if routes is None:
        _out.print("no route is installed; mlrag route --from advice.json")
        return
    _print(routes)
    if not settings.store_url.get_secret_value() and not settings.spent_file.is_file():
        return
    from mlrag.factory import make_ledger

    ledger = make_ledger(settings, routes.budget)
    table = Table(f"spent in {ledger.window} (UTC)", "calls", "tokens", "seconds of models", "dollars")
    for name, cost in ledger.spent().items():
        figures = (str(cost.calls), str(cost.tokens), f"{cost.seconds:.1f}", f"{cost.dollars:.4f}")
        table.add_row(escape(name), *figures)
    _out.print(table)


def _print(routes: Routes) -> None:
    table = Table("rule", "asks", "when refused", "when busy", "when it fails", "decided by", "evidence")
    for rule, step in routes.steps.items():
        others = (step.escalate or "-", step.lighter or "-", ", ".join(step.fallbacks) or "-")
        table.add_row(rule, *map(escape, (step.variant, *others, step.origin, step.evidence)))
    _out.print(table)
    for line in _words(routes):
        _out.print(line, markup=False)


def _words(routes: Routes) -> list[str]:
    b = routes.budget
    said = [f"from {routes.source}"]
    said += [f"long: {routes.long} tokens and more go to whoever is asked when refused"] if routes.long else []
    busy = f"busy: from {routes.busy} calls under way at the backend; nobody escalates to it then"
    said += [busy] if routes.busy else []
    said += [f"a question that took {b.p95_seconds:g} s escalates no more"] if b.p95_seconds is not None else []
    said += [f"at most {b.dollars_per_1000:g} $ for 1,000 questions"] if b.dollars_per_1000 is not None else []
    limits = [(name, getattr(b, name)) for name in SPENDABLE]
    return said + [f"at most {value:g} {name} a {b.window}" for name, value in limits if value is not None]
