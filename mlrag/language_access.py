"""Which languages the caller of this moment may reach.

The service sets it for each request from its key; outside of one, everything may be reached. It travels with the
context, into worker threads too (anyio copies it), so that no code between the key and an index can forget it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mlrag.errors import ForbiddenLanguageError

_allowed: ContextVar[frozenset[str] | None] = ContextVar("allowed languages", default=None)


@contextmanager
def only(languages: frozenset[str] | None) -> Iterator[None]:
    """Inside, only these languages may be reached; all of them for None."""
    token = _allowed.set(languages)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed() -> frozenset[str] | None:
    """None: all."""
    return _allowed.get()


def may_reach(lang: str) -> bool:
    languages = _allowed.get()
    return languages is None or lang in languages


def permit(lang: str) -> None:
    """Raises ForbiddenLanguageError for a language that the caller may not reach."""
    if not may_reach(lang):
        raise ForbiddenLanguageError(lang, _allowed.get() or ())
