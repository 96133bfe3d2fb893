"""Several servers of one backend: each question goes to the living one with the fewest; a dead one is left out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import httpx

from eval.runner.plan import base_variant
from eval.runner.rows import Answerer
from mlrag.errors import GeneratorError, GeneratorUnavailableError, SettingsError
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings
from mlrag.types import Answer

REST = 5.0  # seconds until a host that was left out is looked at again
_PROBE_SECONDS = 2.0
_PLACES = {"ollama": ("ollama_host", "/api/version"), "openai": ("openai_url", "/models")}


def answers(url: str) -> bool:
    """Does an HTTP server reply there within two seconds, with anything but a failure of its own?"""
    try:
        return httpx.get(url, timeout=_PROBE_SECONDS).status_code < 500
    except httpx.HTTPError:
        return False


def by_host(settings: Settings, variant: str, hosts: Sequence[str]) -> dict[str, Settings]:
    """The settings of each host, by the address that is probed; {} for a variant whose backend has no hosts.

    Raises SettingsError where `fallback` would answer in a dead host's place."""
    backend = parse_variant(base_variant(variant), settings.variants).backend
    if not hosts or backend not in _PLACES:
        return {}
    if settings.fallback != "none":
        raise SettingsError("--hosts hands a dead host's questions on, and `fallback` would answer them", "unset it")
    field, path = _PLACES[backend]
    whole = [host.rstrip("/") if "://" in host else f"http://{host.rstrip('/')}" for host in hosts]
    return {host + path: settings.model_copy(update={field: host}) for host in whole}


@dataclass(slots=True)
class _Host:
    """`out`: monotonic seconds until which it is left out; 0 while it lives."""

    asker: Answerer
    load: int = 0
    out: float = 0.0


class Hosts:
    """Stands where an Asker does, before one Asker a host. A failure that the host's health does not explain is that of
    the question, as it is on one machine."""

    def __init__(
        self, askers: Mapping[str, Answerer], alive: Callable[[str], bool] = answers, rest: float = REST
    ) -> None:
        self._hosts = {url: _Host(asker) for url, asker in askers.items()}
        self._alive, self._rest = alive, rest
        self._lock = Lock()

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
    ) -> Answer:
        """Raises GeneratorUnavailableError when no host is left, else what the host's own asker raises."""
        tried: dict[str, GeneratorError] = {}
        while url := self._enter(frozenset(tried)):
            try:
                return self._hosts[url].asker.ask(question, lang, hidden=hidden, only=only)
            except GeneratorError as error:
                if not isinstance(error, GeneratorUnavailableError) and self._alive(url):
                    raise
                tried[url] = error
                self._hosts[url].out = time.monotonic() + self._rest
            finally:
                with self._lock:
                    self._hosts[url].load -= 1
        if tried:
            raise list(tried.values())[-1]
        raise GeneratorUnavailableError(f"none of {len(self._hosts)} hosts answers", ", ".join(self._hosts))

    def _enter(self, tried: frozenset[str]) -> str:
        """The living host with the fewest questions, one of them at random, its load counted; "" where none is left."""
        for url in self._resting(tried):
            if self._alive(url):
                self._hosts[url].out = 0.0
        with self._lock:
            there = [url for url, h in self._hosts.items() if not h.out and url not in tried]
            fewest = min((self._hosts[url].load for url in there), default=0)
            chosen = random.choice([url for url in there if self._hosts[url].load == fewest] or [""])
            if chosen:
                self._hosts[chosen].load += 1
            return chosen

    def _resting(self, tried: frozenset[str]) -> list[str]:
        """Hosts whose rest is over; each is looked at by one thread and rests again until it is found alive."""
        now = time.monotonic()
        with self._lock:
            over = [url for url, h in self._hosts.items() if 0 < h.out <= now and url not in tried]
            for url in over:
                self._hosts[url].out = now + self._rest
        return over
