"""API keys: one JSON file that holds salted hashes and never a key.

A key reads mlrag_<id>_<secret>. The secret is 256 random bits, so one BLAKE2b over salt and secret is enough: there is
nothing to guess, and a slow hash, made for passwords, would cost every request tens of milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from mlrag.errors import SettingsError

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)  # each holds those before it


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of one key. `salt` and `hash` are hex; no `languages`: all of them."""

    name: str
    id: str
    salt: str
    hash: str
    scope: Scope
    languages: tuple[str, ...] = ()
    created: str = ""

    def holds(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


def _hash(salt: str, secret: str) -> str:
    return hashlib.blake2b(secret.encode(), salt=bytes.fromhex(salt), digest_size=32).hexdigest()


def make_key(name: str, scope: Scope, languages: tuple[str, ...] = ()) -> tuple[Key, str]:
    """(what is kept, the key itself, which nothing can show again)."""
    key_id, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_hex(16)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Key(name, key_id, salt, _hash(salt, secret), scope, languages, created), f"mlrag_{key_id}_{secret}"


def read_keys(path: Path) -> list[Key]:
    """None kept without a file. Raises SettingsError for one that cannot be read: no key is then good."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["keys"]
        keys = [Key(**row | {"languages": tuple(row["languages"])}) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {type(error).__name__}", "bring it back from the backup, or delete it"
        ) from error
    for key in keys:
        if key.scope not in SCOPES:
            raise SettingsError(f"{path}: key {key.name!r} has the unknown scope {key.scope!r}", "read, write or admin")
    return keys


def write_keys(path: Path, keys: list[Key]) -> None:
    """Whole or not at all; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"keys": [asdict(key) for key in keys]}, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


class KeyRing:
    """The keys of a file that may change while the service runs: a revoked key is refused at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def _current(self) -> dict[str, Key]:
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            seen = (0, 0, 0)
        if seen != self._seen:
            self._keys = {key.id: key for key in read_keys(self._path)}
            self._seen = seen
        return self._keys

    def __len__(self) -> int:
        return len(self._current())

    def find(self, token: str) -> Key | None:
        """The key that this token is; None for any other text. Raises SettingsError for an unreadable file."""
        parts = token.split("_", 2)
        key = self._current().get(parts[1]) if len(parts) == 3 and parts[0] == "mlrag" else None
        if key is None or not hmac.compare_digest(key.hash, _hash(key.salt, parts[2])):
            return None
        return key
