"""Who may come in. Without keys: this machine alone. With keys: whoever has one that holds the scope.

Keys come as `Authorization: Bearer`, as `X-API-Key`, or as the password of HTTP Basic, so that browsers can ask.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from mlrag.errors import ForbiddenLanguageError, SettingsError, StorageError
from mlrag.language_access import only
from mlrag.settings import Settings
from mlrag.state.keys import FileKeys, Key, KeyRing, Keys, KeyStore
from service.middleware.asgi import Refusal, called, client_of, header, refuse
from service.permissions import language_in, need_of

_CHALLENGE = {"www-authenticate": 'Bearer realm="mlrag", Basic realm="mlrag", charset="UTF-8"'}
_NO_KEY = Refusal(401, "no_key", "this needs a key", "send it as: Authorization: Bearer KEY", _CHALLENGE)
_LOCAL_ONLY = Refusal(403, "local_only", "without keys, only this machine is answered", "make one: mlrag keys add NAME")
_NOBODY = Keys({})


def is_loopback(host: str) -> bool:
    """Is this name or address this machine's own?"""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_binding(settings: Settings, keys: KeyStore) -> None:
    """Raises SettingsError where the service would stand open to other machines, and where it would stand open to a
    proxy because its keys were left behind in the data folder; StorageError."""
    if keys.read():
        return
    if keys.waits and FileKeys(settings.keys_file).read():
        raise SettingsError(
            f"with store_url keys are kept on the server, and there are none; {settings.keys_file} has some",
            "mlrag keys move; or delete that file",
        )
    if not is_loopback(settings.host):
        raise SettingsError(
            f"{settings.host} can be reached from other machines, and there are no keys",
            "make one: mlrag keys add NAME --scope read; or stay on 127.0.0.1",
        )


def _token(scope: Scope) -> str:
    kind, _, value = header(scope, "authorization").partition(" ")
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value.strip() if kind.lower() == "bearer" else header(scope, "x-api-key").strip()


def _not_local(scope: Scope) -> bool:
    """Did this request start elsewhere? Another address; or a name that a page may have bent to this machine."""
    return _is_address(client_of(scope), loopback=False) or _is_elsewhere(header(scope, "host"))


@lru_cache(1024)
def _is_elsewhere(host: str) -> bool:
    """Is it a name that others may have given this machine?"""
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    return "." in name and not _is_address(name)


@lru_cache(1024)
def _is_address(text: str, loopback: bool = True) -> bool:
    """Is it an IP address, and, where `loopback` is false, another machine's?"""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return loopback or not address.is_loopback


def _cross_site(scope: Scope, allowed: tuple[str, ...]) -> bool:
    """Does a page of another site make a browser change something here?"""
    origin = header(scope, "origin")
    if scope["method"] in ("GET", "HEAD", "OPTIONS") or not origin or {origin, "*"} & set(allowed):
        return False
    return urlsplit(origin).netloc != header(scope, "host")


class Auth:
    """Lets a request through, or answers 401 or 403. `scope["state"]["key"]` is the key's name, "" without one."""

    def __init__(self, app: ASGIApp, settings: Settings, keys: KeyRing) -> None:
        self._app = app
        self._origins = settings.cors_origins
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            keys = await self._known(scope)
        except (SettingsError, StorageError) as error:
            why = Refusal(503, error.code, "the keys cannot be read", "the operator must mend it")
            return await refuse(send, why)
        key = keys.find(_token(scope)) if keys else None
        problem = self._problem(scope, key, bool(keys))
        if problem:
            return await refuse(send, problem)
        state = scope.setdefault("state", {})
        state["key"], state["keyed"] = key.name if key else "", bool(keys)
        with only(frozenset(key.languages) if key and key.languages else None):
            return await self._app(scope, receive, send)

    async def _known(self, scope: Scope) -> Keys:
        """The keys; none for what is open to all, which shall need none. Raises SettingsError, StorageError."""
        if need_of(scope["method"], scope["path"]).scope is None:
            return _NOBODY
        return await called(self._keys.waits, self._keys.current)

    def _problem(self, scope: Scope, key: Key | None, keyed: bool) -> Refusal | None:
        """Why it may not pass."""
        if _cross_site(scope, self._origins):
            return Refusal(403, "cross_site", "a page of another site may not do this", "name it in cors_origins")
        needed = need_of(scope["method"], scope["path"]).scope
        if needed is None:
            return None
        if not keyed:
            return _LOCAL_ONLY if _not_local(scope) else None
        if key is None:
            return _NO_KEY
        lang = language_in(scope["path"])
        if lang and key.languages and lang not in key.languages:
            error = ForbiddenLanguageError(lang, key.languages)
            return Refusal(403, error.code, error.message, error.hint)
        if not key.holds(needed):
            return Refusal(403, "scope", f"this needs a key with the scope {needed!r}", f"this one has {key.scope!r}")
        return None
