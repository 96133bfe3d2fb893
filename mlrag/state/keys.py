"""API keys: salted hashes, never a key, in one JSON file; `mlrag.state.keys_postgres` keeps them on a server instead.

A key reads mlrag_<id>_<secret>. The secret is 256 random bits, so one BLAKE2b over salt and secret is enough: there is
nothing to guess, and a slow hash, made for passwords, would cost every request tens of milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol, get_args

from mlrag.atomic_write import atomic_write
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
    """Replace the file of keys. Only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"keys": [asdict(key) for key in keys]}, ensure_ascii=False, indent=1)
    atomic_write(path, content, mode=0o600)


class KeyStore(Protocol):
    """Where keys are kept. Raises SettingsError or StorageError where they cannot be read: no key is then good.

    `waits`: `read` may wait on another machine. `version` never does, and gives something else after a change.
    """

    waits: bool

    def version(self) -> object: ...

    def read(self) -> list[Key]: ...

    def add(self, key: Key) -> bool:
        """False where there is one of this name already."""

    def revoke(self, name: str) -> bool:
        """False where there is none of this name."""


class FileKeys:
    """One JSON file."""

    waits = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def version(self) -> object:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def read(self) -> list[Key]:
        return read_keys(self._path)

    def add(self, key: Key) -> bool:
        keys = self.read()
        if any(k.name == key.name for k in keys):
            return False
        write_keys(self._path, [*keys, key])
        return True

    def revoke(self, name: str) -> bool:
        keys = self.read()
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            return False
        write_keys(self._path, kept)
        return True


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one moment, by their ids."""

    by_id: Mapping[str, Key]

    def __len__(self) -> int:
        return len(self.by_id)

    def find(self, token: str) -> Key | None:
        """The key that this token is; None for any other text."""
        parts = token.split("_", 2)
        key = self.by_id.get(parts[1]) if len(parts) == 3 and parts[0] == "mlrag" else None
        if key is None or not hmac.compare_digest(key.hash, _hash(key.salt, parts[2])):
            return None
        return key


def _by_id(keys: Iterable[Key]) -> Keys:
    return Keys({key.id: key for key in keys})


class KeyRing:
    """Keys that may change while the service runs: a revoked one is refused as soon as `version` tells."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._seen: object = self  # no version is equal to it
        self._keys = _by_id(())
        self._lock = Lock()

    @property
    def waits(self) -> bool:
        """Would `current` wait on another machine now?"""
        return self._store.waits and self._store.version() != self._seen

    def current(self) -> Keys:
        """Raises SettingsError, StorageError."""
        if self._store.version() != self._seen:
            with self._lock:  # one reads, the others wait for it
                version = self._store.version()
                if version != self._seen:
                    self._keys, self._seen = _by_id(self._store.read()), version
        return self._keys
