"""Answers kept for equal questions.

A row's key is a hash over everything that the answer was made from: the question, its options, the settings, language
packs, prompt version, and the state of every index. So nothing stale is ever found; and the first answer kept after
documents changed removes all that was kept before, since rows hold text of documents that may be gone.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

import mlrag
from mlrag.answering.retriever import Retriever
from mlrag.embedding.base import Embedder
from mlrag.errors import StorageError
from mlrag.generation import prompts
from mlrag.language_access import allowed_languages
from mlrag.languages import FOLDER
from mlrag.models.route_file import route_version
from mlrag.settings import Settings
from mlrag.state.answers import AnswerStore, CacheKey
from mlrag.text.normalize import clean
from mlrag.types import Answer, Usage, Warning

# Warnings about this moment, not about the question: an answer with one of them is not kept.
_PASSING_CODES = {"fallback", "filter_failed", "index_rebuilt", "not_escalated", "escalation_failed"}
_PASSING_ROUTES = ("busy:", "budget:")  # what the detail of "routed" begins with then
_FORMAT = 2  # raise it when the JSON of a kept answer changes: rows of another format are not found
_ASIDE = {
    "host",
    "port",
    "data_dir",
    "corpora",
    "drain",
    "grace",
    "rate_limit",
    "cors_origins",
    "log_level",
    "log_questions",
}  # settings of one process, which no answer is made from
_log = logging.getLogger(__name__)
Contents = Callable[[], object]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()


@cache
def _packs() -> str:
    return _digest(*((path.name, path.read_bytes()) for path in sorted(FOLDER.glob("*.toml"))))


def _plain(value: object) -> object:
    """The same for equal sets and mappings, whatever their order."""
    if isinstance(value, Mapping):
        return sorted((repr(name), repr(item)) for name, item in value.items())
    return sorted(map(repr, value)) if isinstance(value, frozenset | set) else value


class StoreContents:
    """What documents the stores of a retriever hold: the random stamp of each language's commit, read once a commit."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._stamps: dict[str, tuple[Any, int, str]] = {}

    def __call__(self) -> object:
        return [(lang, *self._read_stamp(lang, store)) for lang, store in self._retriever.stores().items()]

    def _read_stamp(self, lang: str, store: Any) -> tuple[int, str]:
        """Commit numbers alone start anew with --rebuild, which puts another store in the place of the first."""
        commit, known = store.commit, self._stamps.get(lang)
        if known is None or known[0] is not store or known[1] != commit:
            known = self._stamps[lang] = store, commit, store.stamp(commit)
        return known[1:]


class AnswerCache:
    """At most `cache_answers` answers, the least lately used dropped first. `contents` says what documents there are:
    it gives something else after every change of any.

    A cache that fails costs its hits, never an answer: its errors go to the log.
    """

    def __init__(self, rows: AnswerStore, settings: Settings, embedder: Embedder, contents: Contents) -> None:
        self._rows = rows
        self._size = settings.cache_answers
        self._settings = settings.model_dump_json(exclude=_ASIDE)
        self._route_file = settings.route_file
        self._embedder = embedder
        self._contents = contents
        self._answers = TypeAdapter(Answer)

    def close(self) -> None:
        self._rows.close()

    def key(self, question: str, lang: str | None, variant: str, options: Mapping[str, Any]) -> CacheKey:
        """The place of an answer. `options` are further arguments of `Pipeline.ask`; `lang` None: to be detected."""
        state = _digest(self._contents())
        made = (
            _FORMAT,
            mlrag.__version__,
            prompts.VERSION,
            _packs(),
            self._settings,
            self._embedder.name,
            self._embedder.engine,
        )
        asked = sorted((name, _plain(value)) for name, value in options.items())
        words = " ".join(clean(question).split())
        route = route_version(self._route_file) if variant.startswith("auto") else ""
        return CacheKey(
            state, _digest(state, made, words, lang or "", variant, asked, _plain(allowed_languages()), route)
        )

    def find(self, place: CacheKey) -> Answer | None:
        """The kept answer, with its age; None without one."""
        begun = time.perf_counter()
        try:
            kept = self._rows.find(place.key)
            if kept is None:
                return None
            answer = self._answers.validate_json(kept.body)
        except (StorageError, ValidationError) as error:
            _log.warning("the answer cache cannot be read: %s", _describe_error(error))
            return None
        seconds = {"total": round(time.perf_counter() - begun, 6)}
        return replace(answer, timings=seconds, usage=Usage(), age=round(kept.age, 1))

    def keep(self, place: CacheKey, answer: Answer) -> None:
        """Keep an answer. Not kept: abstentions and refusals, and answers that a passing fault had a part in."""
        if answer.abstained or answer.age is not None or any(map(_is_passing, answer.warnings)):
            return
        try:
            self._rows.keep(place, self._answers.dump_json(answer), self._size)
        except StorageError as error:
            _log.warning("the answer cache cannot be written: %s", _describe_error(error))


def _is_passing(warning: Warning) -> bool:
    return warning.code in _PASSING_CODES or (warning.code == "routed" and warning.detail.startswith(_PASSING_ROUTES))


def _describe_error(error: StorageError | ValidationError) -> str:
    """A ValidationError would repeat the answer."""
    return error.message if isinstance(error, StorageError) else type(error).__name__
