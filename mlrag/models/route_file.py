"""From advice.json (docs/choosing.md, section 7) to the installed route, and the file that holds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlrag.errors import SettingsError
from mlrag.models.routing import Budget, Routes, Step
from mlrag.models.variants import with_thinking

ADVICE, ROUTE = "mlrag.advice/1", "mlrag.route/1"
SPENDABLE = ("calls", "tokens", "seconds", "dollars")
_ROUTES = TypeAdapter(Routes)
_AGAIN = "write it with: python -m eval.advise"


def read_advice(path: Path) -> dict[str, Any]:
    """Raises SettingsError for a file that is no advice, whose advice names nobody, or rests on stand-ins."""
    try:
        advice = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read as advice: {error}", _AGAIN) from error
    if not isinstance(advice, dict) or advice.get("schema") != ADVICE:
        raise SettingsError(f"{path} is no advice: its schema is not {ADVICE!r}", _AGAIN)
    if advice.get("stand_ins"):
        who = ", ".join(map(str, advice["stand_ins"]))
        raise SettingsError(f"{path} rests on stand-ins ({who}), which were no models", "measure real ones first")
    return advice


def routes_from(advice: Mapping[str, Any], source: str, long: int | None, busy: int | None, spend: Budget) -> Routes:
    """`spend` holds the limits of a window; those of the advice are added. Raises SettingsError."""
    try:
        route = advice["route"]
        told = dict(route.get("budget") or {})
        limits = {f.name: _first(getattr(spend, f.name), told.get(f.name)) for f in fields(Budget)}
        return Routes(
            default=_step(route["default"]),
            tiers={name: _step(s) for name, s in route["tiers"].items()},
            languages={name: _step(s) for name, s in route["languages"].items()},
            budget=Budget(**limits),
            long=long,
            busy=busy,
            prices=_prices(advice),
            expected=_expected(advice),
            source=source,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{source} has no usable route: {error!r}", _AGAIN) from error


def _first(own: object, advised: object) -> Any:
    return advised if own is None else own


def _step(told: Mapping[str, Any]) -> Step:
    if not told["variant"]:
        raise SettingsError("the advice names nobody: nothing was feasible", "its `feasibility` says what would be")
    return Step(
        variant=str(told["variant"]),
        origin=str(told.get("from", "")),
        evidence=str(told.get("evidence", "")),
        fallbacks=tuple(told.get("fallbacks") or ()),
        escalate=told.get("escalate"),
        lighter=told.get("lighter"),
    )


def _prices(advice: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for row in advice.get("feasibility") or ():
        name = with_thinking(row["variant"], "off")
        if row.get("dollars"):
            found[name] = (float(row["dollars"][0]), float(row["dollars"][1]))
        elif row.get("place") == "here":
            found[name] = (0.0, 0.0)
    return found


def _expected(advice: Mapping[str, Any]) -> dict[str, float]:
    costs = advice.get("costs") or {}
    known = costs.get("values", {}) if costs.get("basis") == "seconds" else {}
    return {name: float(seconds) for name, seconds in known.items() if seconds is not None}


def trimmed(routes: Routes) -> Routes:
    """Without the prices and seconds of those it never asks."""
    asked = set(routes.names)
    plain = {with_thinking(name, "off") for name in asked}
    return replace(
        routes,
        prices={n: p for n, p in routes.prices.items() if n in plain},
        expected={n: s for n, s in routes.expected.items() if n in asked},
    )


def unpriced(routes: Routes) -> Iterable[str]:
    """Whom a budget in money cannot hold, for nobody knows the price."""
    if not routes.budget.in_money:
        return ()
    return [n for n in routes.names if n != "extractive" and with_thinking(n, "off") not in routes.prices]


def write_routes(path: Path, routes: Routes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"schema": ROUTE, **_ROUTES.dump_python(routes, mode="json")}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def route_version(path: Path) -> str:
    """Another text for other rules; "" where no route is installed."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        return ""


def read_routes(path: Path) -> Routes | None:
    """None where no route is installed. Raises SettingsError for a file that is none."""
    try:
        return _ROUTES.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise SettingsError(
            f"{path} is no route: {error}", "install one with: mlrag route --from advice.json, or: mlrag route --off"
        ) from error
