"""A route whose query is one model, read in one pass: FastAPI would read its fields one by one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Set
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

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


def _is_list(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is list or any(map(_is_list, get_args(hint)))


def read_query(kind: type[Query], lists: Set[str], query: bytes) -> Query:
    """The last of several values counts, and all of them for `lists`. Raises RequestValidationError."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in lists:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        told = [{**e, "loc": ("query", *e["loc"])} for e in error.errors()]
        raise RequestValidationError(told) from error
