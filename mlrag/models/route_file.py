"""The file of the installed route, and how an advice.json (docs/choosing.md, section 7) becomes one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlrag.atomic_write import atomic_write
from mlrag.errors import SettingsError
from mlrag.models.routing import LAST, Budget, RouteRule, Routes
from mlrag.models.variants import with_thinking

ADVICE, ROUTE = "mlrag.advice/1", "mlrag.route/1"
SPENDABLE = ("calls", "tokens", "seconds", "dollars")
_ROUTES = TypeAdapter(Routes)
_AGAIN = "write it with: python -m eval.advise"


def read_advice(path: Path) -> dict[str, Any]:
    """Read an advice file.

    Raises SettingsError for a file that is not advice, or whose evidence comes from test doubles.
    """
    try:
        advice = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read as advice: {error}", _AGAIN) from error
    if not isinstance(advice, dict) or advice.get("schema") != ADVICE:
        raise SettingsError(f"{path} is not advice: its schema is not {ADVICE!r}", _AGAIN)
    if advice.get("stand_ins"):
        names = ", ".join(map(str, advice["stand_ins"]))
        raise SettingsError(f"{path} was measured on test doubles ({names}), not on models", "measure real ones first")
    return advice


def routes_from(advice: Mapping[str, Any], source: str, long: int | None, busy: int | None, spend: Budget) -> Routes:
    """Return the routes of an advice file. The limits of `spend` take precedence over those of the advice.

    Raises SettingsError where the advice has no usable route, or names no variant.
    """
    try:
        route = advice["route"]
        advised = route.get("budget") or {}
        limits: dict[str, Any] = {}
        for f in fields(Budget):
            given = getattr(spend, f.name)
            limits[f.name] = advised.get(f.name) if given is None else given
        return Routes(
            default=_parse_rule(route["default"]),
            tiers={name: _parse_rule(rule) for name, rule in route["tiers"].items()},
            languages={name: _parse_rule(rule) for name, rule in route["languages"].items()},
            budget=Budget(**limits),
            long=long,
            busy=busy,
            prices=_read_prices(advice),
            expected=_read_seconds(advice),
            source=source,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{source} has no usable route: {error!r}", _AGAIN) from error


def _parse_rule(raw: Mapping[str, Any]) -> RouteRule:
    if not raw["variant"]:
        raise SettingsError(
            "the advice names no variant: none was feasible", "its `feasibility` says what would make one feasible"
        )
    return RouteRule(
        variant=str(raw["variant"]),
        origin=str(raw.get("from", "")),
        evidence=str(raw.get("evidence", "")),
        fallbacks=tuple(raw.get("fallbacks") or ()),
        escalate=raw.get("escalate"),
        lighter=raw.get("lighter"),
    )


def _read_prices(advice: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Dollars for a million tokens in and out, by variant without thinking."""
    prices: dict[str, tuple[float, float]] = {}
    for row in advice.get("feasibility") or ():
        name = with_thinking(row["variant"], "off")
        if row.get("dollars"):
            prices[name] = (float(row["dollars"][0]), float(row["dollars"][1]))
        elif row.get("place") == "here":
            prices[name] = (0.0, 0.0)
    return prices


def _read_seconds(advice: Mapping[str, Any]) -> dict[str, float]:
    """Seconds a question, by variant; empty where the advice counts costs in something else."""
    costs = advice.get("costs") or {}
    values = costs.get("values", {}) if costs.get("basis") == "seconds" else {}
    return {name: float(seconds) for name, seconds in values.items() if seconds is not None}


def keep_used(routes: Routes) -> Routes:
    """Return the routes without the prices and seconds of variants that they never ask."""
    used = set(routes.names)
    without_thinking = {with_thinking(name, "off") for name in used}
    return replace(
        routes,
        prices={name: price for name, price in routes.prices.items() if name in without_thinking},
        expected={name: seconds for name, seconds in routes.expected.items() if name in used},
    )


def find_unpriced(routes: Routes) -> list[str]:
    """Return the variants without a known price; they cannot be used with a budget in dollars."""
    if not routes.budget.in_money:
        return []
    return [n for n in routes.names if n != LAST and with_thinking(n, "off") not in routes.prices]


def write_routes(path: Path, routes: Routes) -> None:
    """Write the route file atomically. Of several processes that write at once, the last one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema": ROUTE, **_ROUTES.dump_python(routes, mode="json")}
    atomic_write(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def route_version(path: Path) -> str:
    """Return a text that changes with the rules; "" where no route is installed."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        return ""


def read_routes(path: Path) -> Routes | None:
    """Read the installed route, None without one. Raises SettingsError for a file that is not a route."""
    try:
        return _ROUTES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise SettingsError(
            f"{path} is not a route: {error}", "install one with: mlrag route --from advice.json, or: mlrag route --off"
        ) from error
