"""Authentication. Without keys, only this machine is answered. With keys, a request needs one with the right scope.

Keys come as `Authorization: Bearer`, as `X-API-Key`, or as the password of HTTP Basic, so that browsers can ask.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from mlrag.addresses import is_loopback, parse_address
from mlrag.errors import ForbiddenLanguageError, SettingsError, StorageError
from mlrag.language_access import only
from mlrag.settings import Settings
from mlrag.state.keys import FileKeys, Key, KeyRing, Keys, KeyStore
from service.middleware.asgi import Rejection, call_store, client_address, get_header, send_rejection
from service.permissions import language_in, required_permission

_CHALLENGE = {"www-authenticate": 'Bearer realm="mlrag", Basic realm="mlrag", charset="UTF-8"'}
_NO_KEY = Rejection(401, "no_key", "this needs a key", "send it as: Authorization: Bearer KEY", _CHALLENGE)
_LOCAL_ONLY = Rejection(
    403, "local_only", "without keys, only this machine is answered", "make one: mlrag keys add NAME"
)
_NO_KEYS = Keys({})


def check_binding(settings: Settings, keys: KeyStore) -> None:
    """Check that other machines cannot reach the service without a key.

    Raises SettingsError where they could, and where a proxy could because the keys were left behind in the data
    folder; StorageError.
    """
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
    """Return the key that the request carries; "" where it carries none."""
    kind, _, value = get_header(scope, "authorization").partition(" ")
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value.strip() if kind.lower() == "bearer" else get_header(scope, "x-api-key").strip()


def _is_from_elsewhere(scope: Scope) -> bool:
    """Return whether a request comes from another machine, or from a page that bent a name of its own to this one."""
    client = parse_address(client_address(scope))
    if client is not None and not client.is_loopback:
        return True
    name = (urlsplit(f"//{get_header(scope, 'host')}").hostname or "").rstrip(".")
    return "." in name and parse_address(name) is None  # DNS rebinding: example.org may resolve to 127.0.0.1


def _is_cross_site(scope: Scope, allowed: tuple[str, ...]) -> bool:
    """Return whether a page of another site makes a browser change something here."""
    origin = get_header(scope, "origin")
    if scope["method"] in ("GET", "HEAD", "OPTIONS") or not origin or {origin, "*"} & set(allowed):
        return False
    return urlsplit(origin).netloc != get_header(scope, "host")


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
            keys = await self._read_keys(scope)
        except (SettingsError, StorageError) as error:
            rejection = Rejection(503, error.code, "the keys cannot be read", "the operator must mend it")
            return await send_rejection(send, rejection)
        key = keys.find(_token(scope)) if keys else None
        problem = self._problem(scope, key, bool(keys))
        if problem:
            return await send_rejection(send, problem)
        state = scope.setdefault("state", {})
        state["key"], state["keyed"] = key.name if key else "", bool(keys)
        with only(frozenset(key.languages) if key and key.languages else None):
            return await self._app(scope, receive, send)

    async def _read_keys(self, scope: Scope) -> Keys:
        """Return the keys; none for a path that is open to all, which must not depend on the key store.

        Raises SettingsError, StorageError.
        """
        if required_permission(scope["method"], scope["path"]).scope is None:
            return _NO_KEYS
        return await call_store(self._keys.waits, self._keys.current)

    def _problem(self, scope: Scope, key: Key | None, keyed: bool) -> Rejection | None:
        """Return why the request may not pass; None where it may."""
        if _is_cross_site(scope, self._origins):
            return Rejection(403, "cross_site", "a page of another site may not do this", "name it in cors_origins")
        required = required_permission(scope["method"], scope["path"]).scope
        if required is None:
            return None
        if not keyed:
            return _LOCAL_ONLY if _is_from_elsewhere(scope) else None
        if key is None:
            return _NO_KEY
        lang = language_in(scope["path"])
        if lang and key.languages and lang not in key.languages:
            error = ForbiddenLanguageError(lang, key.languages)
            return Rejection(403, error.code, error.message, error.hint)
        if not key.holds(required):
            return Rejection(403, "scope", f"this needs a key with the scope {required!r}", f"this has {key.scope!r}")
        return None
