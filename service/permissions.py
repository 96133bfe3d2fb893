"""What a request needs: one table, by path and method. What the table does not know needs most."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mlrag.state.keys import Scope

_LOOKS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Need:
    """`scope` None: open to all. `asks`: it takes a place at the model. `uploads`: its body may be long."""

    scope: Scope | None
    asks: bool = False
    uploads: bool = False


# The longest path that fits decides: it covers itself and all below it. What looking needs, then what the rest needs.
_TABLE: dict[str, tuple[Need, Need]] = {
    "/healthz": (Need(None), Need("admin")),
    "/readyz": (Need(None), Need("admin")),
    "/": (Need("read"), Need("write", uploads=True)),
    "/ask": (Need("read", asks=True), Need("read", asks=True)),
    "/chat": (Need("read", asks=True), Need("read", asks=True)),
    "/v1": (Need("read"), Need("read", asks=True)),
    "/search": (Need("read"), Need("read")),
    "/admin": (Need("admin"), Need("admin")),
    "/reports": (Need("admin"), Need("admin")),  # they quote documents and questions of every language
}


def language_in(path: str) -> str:
    """The language whose documents a path is about, "ta" in /corpora/ta/documents; "" where it names none."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "corpora" else ""


@lru_cache(1024)
def need_of(method: str, path: str) -> Need:
    """What this request needs."""
    parts = path.rstrip("/").split("/")
    known = ("/".join(parts[:n]) or "/" for n in range(len(parts), 0, -1))
    looks, changes = next(_TABLE[prefix] for prefix in known if prefix in _TABLE)
    return looks if method in _LOOKS else changes
