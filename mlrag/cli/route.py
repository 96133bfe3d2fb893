"""`mlrag route`: install, show and remove the rules by which `auto` chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlrag.console import exit_on_error
from mlrag.errors import MlragError, SettingsError
from mlrag.models.hardware import Memory, measure_memory
from mlrag.models.memory_fit import USEFUL_CONTEXT, memory_gb
from mlrag.models.route_file import (
    SPENDABLE,
    find_unpriced,
    keep_used,
    read_advice,
    read_routes,
    routes_from,
    write_routes,
)
from mlrag.models.routing import LAST, Budget, Routes
from mlrag.models.variants import Variant, default_download, parse_variant
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
        typer.Option(
            min=0, help="Running calls from which a backend is busy; 0: never. Without it: the last slot is taken."
        ),
    ] = None,
    spend: Annotated[str | None, typer.Option(help="At most, e.g. calls=1000,tokens=2000000,dollars=2.")] = None,
    per: Annotated[Literal["hour", "day"], typer.Option(help="The window of --spend, in UTC.")] = "day",
) -> None:
    """Route the questions of `--variant auto` by the rules of an advice file; docs/choosing.md, section 8."""
    if [from_ is not None, show, off].count(True) != 1:
        raise typer.BadParameter("give one of --from, --show and --off")
    with exit_on_error():
        settings = Settings()
        if off:
            settings.route_file.unlink(missing_ok=True)
            _err.print("auto chooses by memory and published scores again")
        elif show:
            _show(settings)
        elif from_:
            slots = min(settings.concurrency, settings.max_asks)
            busy = max(1, slots - 1) if busy is None else busy
            budget = Budget(window=per, **_parse_limits(spend))
            routes = keep_used(routes_from(read_advice(from_), str(from_), long or None, busy or None, budget))
            _install(routes, settings)
            _print(routes)


def _parse_limits(spend: str | None) -> dict[str, float]:
    """ "calls=1000,dollars=2" -> {"calls": 1000.0, "dollars": 2.0}. Raises SettingsError."""
    limits = {}
    for item in spend.split(",") if spend else ():
        name, _, value = item.partition("=")
        try:
            limits[name.strip()] = float(value)
        except ValueError as error:
            raise SettingsError(
                f"--spend {item!r} is not a limit", "for example: --spend calls=1000,dollars=2"
            ) from error
    unknown = sorted(set(limits) - set(SPENDABLE))
    if unknown:
        raise SettingsError(f"--spend: unknown {', '.join(unknown)}", f"known: {', '.join(SPENDABLE)}")
    return limits


def _install(routes: Routes, settings: Settings) -> None:
    memory = measure_memory()
    problems = find_obstacles(routes, settings, memory)
    problems += [
        f"{name}: its price is unknown, and the budget is in money: set --spend calls or tokens, and advise "
        "without --budget"
        for name in find_unpriced(routes)
    ]
    if problems:
        raise SettingsError("the route was not installed:\n" + "\n".join(problems))
    for caution in find_cautions(routes, settings, memory):
        _err.print(caution, style="yellow", markup=False)
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
    for name, rule in routes.rules.items():
        others = (rule.escalate or "-", rule.lighter or "-", ", ".join(rule.fallbacks) or "-")
        table.add_row(name, *map(escape, (rule.variant, *others, rule.origin, rule.evidence)))
    _out.print(table)
    for line in _describe(routes):
        _out.print(line, markup=False)


def _describe(routes: Routes) -> list[str]:
    """One line for the source, and one for each limit that is set."""
    budget = routes.budget
    lines = [f"from {routes.source}"]
    if routes.long:
        lines.append(f"long: {routes.long} tokens and more go to the variant that is asked after a refusal")
    if routes.busy:
        lines.append(f"busy: from {routes.busy} running calls at the backend; no question escalates to it then")
    if budget.p95_seconds is not None:
        lines.append(f"a question that took {budget.p95_seconds:g} s does not escalate")
    if budget.dollars_per_1000 is not None:
        lines.append(f"at most {budget.dollars_per_1000:g} $ for 1,000 questions")
    for name in SPENDABLE:
        if (limit := getattr(budget, name)) is not None:
            lines.append(f"at most {limit:g} {name} a {budget.window}")
    return lines


def find_obstacles(routes: Routes, settings: Settings, memory: Memory) -> list[str]:
    """Return one sentence with the fix for each variant that cannot answer here.

    Asks Ollama for its installed tags; calls no model.
    """
    named = ((name, _obstacle(name, settings, memory)) for name in routes.names if name != LAST)
    return [f"{name}: {problem}" for name, problem in named if problem]


def _obstacle(name: str, settings: Settings, memory: Memory) -> str:
    from mlrag.factory import is_remote, make_caller

    try:
        variant = parse_variant(name, settings.variants)
        if variant.backend == "llamacpp" and not Path(variant.model).is_file():
            return f"there is no file {variant.model}: put it there, or name yours under [variants.NAME] in mlrag.toml"
        host = make_caller(settings, name).model.host
        if variant.backend == "ollama":
            return _not_installed(variant, settings) or (
                "" if is_remote(host, settings) else _too_large(variant, memory)
            )
        return _too_large(variant, memory) if variant.backend == "llamacpp" else ""
    except (MlragError, ValueError) as error:
        return str(error)


def _not_installed(variant: Variant, settings: Settings) -> str:
    from mlrag.generation.backends.ollama import list_installed_models

    if {variant.model, f"{variant.model}:latest"} & set(list_installed_models(settings.ollama_host)):
        return ""
    return f"{settings.ollama_host} does not have it: ollama pull {variant.model}"


def _too_large(variant: Variant, memory: Memory) -> str:
    """ "" where it fits, or where its size is unknown."""
    needed = _needed_gb(variant)
    if needed is None or needed <= memory.capacity:
        return ""
    return (
        f"it needs {needed:.1f} GB and this machine has {memory.capacity:.1f} of {memory.kind}: "
        f"python -m eval.advise --ram {memory.capacity:.0f} leaves it out"
    )


def _needed_gb(variant: Variant) -> float | None:
    """GB of 10^9 bytes that a model needs on this machine: the file's size for llama.cpp, computed for Ollama's tags.

    None for a tag that is not one of the family's default downloads.
    """
    if variant.backend == "llamacpp":
        return Path(variant.model).stat().st_size / 1e9
    spec = default_download(variant.model) if variant.backend == "ollama" else None
    return memory_gb(spec, "q4_k_m", USEFUL_CONTEXT) if spec else None


def find_cautions(routes: Routes, settings: Settings, memory: Memory) -> list[str]:
    """Return what the user should know although the route works."""
    variants = {name: parse_variant(name, settings.variants) for name in routes.names if name != LAST}
    remote = [name for name, variant in variants.items() if variant.backend in ("openai", "gemini")]
    cautions = [f"{name} was not asked whether it answers" for name in remote]
    sizes = [_needed_gb(variant) for name, variant in variants.items() if name not in remote]
    total = sum({size for size in sizes if size is not None})
    if total > memory.capacity:
        cautions.append(
            f"its models need {total:.1f} GB together and this machine has {memory.capacity:.1f}: the backend unloads "
            "one to load the other, which costs seconds at every change"
        )
    return cautions
