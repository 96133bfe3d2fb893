"""A route whose query is one model, read in one pass, and a way to it that goes past the router.

FastAPI would read the fields one by one; and its router, its exit stacks and its handlers of exceptions cost more than
all that stands around the routes here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Set
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import unquote_plus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import TOLD, reply

Query = TypeVar("Query", bound=BaseModel)


class Direct(APIRoute):
    """Its endpoint takes (query, request), `query` being a pydantic model, and gives a response.

    OpenAPI shows the model's fields as FastAPI reads them, and a bad one is answered as elsewhere.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer: Callable[[BaseModel, Request], Coroutine[Any, Any, Response]] = self.endpoint
        kind: type[BaseModel] = next(iter(get_type_hints(answer).values()))
        lists = {name for name, hint in get_type_hints(kind).items() if _is_list(hint)}

        async def handle(request: Request) -> Response:
            return await answer(read_query(kind, lists, request.scope["query_string"]), request)

        return handle


class Shortcut:
    """Innermost: hands a request for a direct route to it, and every other to the app. The app has the route too, for
    OpenAPI, for other methods, and for where it is mounted below a path."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        direct = [route for route in routes if isinstance(route, Direct)]
        self._direct = {(m, route.path): route.get_route_handler() for route in direct for m in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._direct.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await answer(request)
        except TOLD as error:
            response = await reply(request, error)
        await response(scope, receive, send)


def _is_list(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is list or any(map(_is_list, get_args(hint)))


def read_query(kind: type[Query], lists: Set[str], query: bytes) -> Query:
    """The last of several values counts, and all of them for `lists`. Raises RequestValidationError."""
    found: dict[str, Any] = {}
    for pair in filter(None, query.decode("latin-1").split("&")):
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in lists:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        told = [{**e, "loc": ("query", *e["loc"])} for e in error.errors()]
        raise RequestValidationError(told) from error
