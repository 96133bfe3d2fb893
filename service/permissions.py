"""What a request requires: one table, by path and method. An unknown path requires the most."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mlrag.state.keys import Scope

_READ_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Permission:
    """`scope` None: open to all. `asks`: counts against the questions at once. `uploads`: its body may be long."""

    scope: Scope | None
    asks: bool = False
    uploads: bool = False


# (to read, to change), by path prefix; the longest prefix that fits decides.
_TABLE: dict[str, tuple[Permission, Permission]] = {
    "/healthz": (Permission(None), Permission("admin")),
    "/readyz": (Permission(None), Permission("admin")),
    "/": (Permission("read"), Permission("write", uploads=True)),
    "/ask": (Permission("read", asks=True), Permission("read", asks=True)),
    "/chat": (Permission("read", asks=True), Permission("read", asks=True)),
    "/v1": (Permission("read"), Permission("read", asks=True)),
    "/search": (Permission("read"), Permission("read")),
    "/admin": (Permission("admin"), Permission("admin")),
    "/reports": (Permission("admin"), Permission("admin")),  # they quote documents and questions of every language
}


def language_in(path: str) -> str:
    """Return the language whose documents a path is about, "ta" in /corpora/ta/documents; "" where it names none."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "corpora" else ""


@lru_cache(1024)
def required_permission(method: str, path: str) -> Permission:
    """Return what this request requires."""
    parts = path.rstrip("/").split("/")
    prefixes = ("/".join(parts[:n]) or "/" for n in range(len(parts), 0, -1))
    to_read, to_change = next(_TABLE[prefix] for prefix in prefixes if prefix in _TABLE)
    return to_read if method in _READ_METHODS else to_change
