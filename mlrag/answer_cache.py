"""Answers kept for equal questions, in one SQLite file beside the indexes.

A row's key is a hash over everything that the answer was made from: the question, its options, the settings, language
packs, prompt version, and the documents of every index. So nothing stale is ever found; and the first answer kept after
documents changed removes all that was kept before, since rows hold text of documents that may be gone.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import mlrag
from mlrag.access import allowed
from mlrag.generation import prompts
from mlrag.languages import FOLDER
from mlrag.records import Answer, Usage
from mlrag.retrieval import Retriever
from mlrag.route_file import route_version
from mlrag.settings import Settings
from mlrag.text.normalize import clean

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, made REAL NOT NULL, used REAL NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS answers_by_use ON answers(used);
"""
_PASSING = (
    "fallback:",
    "filter_failed:",
    "index_rebuilt:",
    "routed:busy:",
    "routed:budget:",
    "not_escalated:",
    "escalation_failed:",
)  # what is true of this moment, and not of the question
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheKey:
    """`state` is what all answers of this moment share; `key` is the one question's."""

    state: str
    key: str


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


def _open(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=5, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(_SCHEMA)
    connection.execute("DELETE FROM answers WHERE 0")  # a file that can only be read fails here
    return connection


class AnswerCache:
    """At most `size` answers, the least lately used dropped first.

    A cache that fails costs its hits, never an answer: its errors go to the log.
    """

    def __init__(self, path: Path, settings: Settings, retriever: Retriever) -> None:
        self._size = settings.cache_answers
        self._settings = settings.model_dump_json()
        self._route_file = settings.route_file
        self._retriever = retriever
        self._answers = TypeAdapter(Answer)
        self._documents: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _open(str(path))
        except (sqlite3.Error, OSError) as error:
            _log.warning("answers are kept in memory alone, %s cannot be written: %s", path, error)
            self._connection = _open(":memory:")

    def close(self) -> None:
        """Leave one file behind, without its journal."""
        with self._lock:
            self._connection.close()

    def key(self, question: str, lang: str | None, variant: str, options: Mapping[str, Any]) -> CacheKey:
        """The place of an answer. `options` are further arguments of `Pipeline.ask`; `lang` None: to be detected."""
        embedder = self._retriever.embedder
        state = _digest(
            mlrag.__version__, prompts.VERSION, _packs(), self._settings, embedder.name, embedder.engine, self._state()
        )
        asked = sorted((name, _plain(value)) for name, value in options.items())
        words = " ".join(clean(question).split())
        route = route_version(self._route_file) if variant.startswith("auto") else ""
        return CacheKey(state, _digest(state, words, lang or "", variant, asked, _plain(allowed()), route))

    def _state(self) -> list[tuple[str, str]]:
        return [(lang, self._contents(lang, store)) for lang, store in self._retriever.stores().items()]

    def _contents(self, lang: str, store: Any) -> str:
        """A hash of a language's documents, counted once a commit. Commit numbers alone start anew with --rebuild."""
        commit = store.commit
        known = self._documents.get(lang)
        if known is None or known[0] != commit:
            known = self._documents[lang] = commit, _digest(commit, sorted(store.hashes().items()))
        return known[1]

    def find(self, place: CacheKey) -> Answer | None:
        """The kept answer, with its age; None without one."""
        begun = time.perf_counter()
        try:
            with self._lock:
                row = self._connection.execute("SELECT made, body FROM answers WHERE key = ?", (place.key,)).fetchone()
                if row is None:
                    return None
                self._connection.execute("UPDATE answers SET used = ? WHERE key = ?", (time.time(), place.key))
            answer = self._answers.validate_json(row[1])
        except (sqlite3.Error, ValidationError) as error:
            _log.warning("the answer cache cannot be read: %s", type(error).__name__)
            return None
        seconds = {"total": round(time.perf_counter() - begun, 6)}
        return replace(answer, timings=seconds, usage=Usage(), age=round(max(0.0, time.time() - row[0]), 1))

    def keep(self, place: CacheKey, answer: Answer) -> None:
        """Keep an answer. Not kept: abstentions and refusals, and answers that a passing fault had a part in."""
        if answer.abstained or answer.age is not None or any(w.startswith(_PASSING) for w in answer.warnings):
            return
        now, body = time.time(), self._answers.dump_json(answer)
        try:
            with self._lock, self._connection as c:
                c.execute("BEGIN IMMEDIATE")
                c.execute("DELETE FROM answers WHERE state != ?", (place.state,))
                c.execute(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", (place.key, place.state, now, now, body)
                )
                c.execute(
                    "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY used DESC LIMIT -1 OFFSET ?)",
                    (self._size,),
                )
        except sqlite3.Error as error:
            _log.warning("the answer cache cannot be written: %s", type(error).__name__)
