"""Which languages the current caller may reach.

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
    """Restrict the block to these languages; None restricts nothing."""
    token = _allowed.set(languages)
    try:
        yield
    finally:
        _allowed.reset(token)


def allowed_languages() -> frozenset[str] | None:
    """Return the languages that the caller may reach; None for all of them."""
    return _allowed.get()


def may_reach(lang: str) -> bool:
    languages = _allowed.get()
    return languages is None or lang in languages


def permit(lang: str) -> None:
    """Raise ForbiddenLanguageError for a language that the caller may not reach."""
    if not may_reach(lang):
        raise ForbiddenLanguageError(lang, _allowed.get() or ())
