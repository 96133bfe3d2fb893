"""Settings to parts: the one place that names concrete classes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlrag.abstention.calibration import shipped_calibration
from mlrag.addresses import is_loopback
from mlrag.answering.cache import AnswerCache, StoreContents
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.embedding.background import BackgroundEmbedder
from mlrag.embedding.base import BUNDLED, Embedder
from mlrag.embedding.load import load_embedder
from mlrag.errors import GeneratorUnavailableError, PrivacyError, SettingsError
from mlrag.generation.backends.base import ChatModel, Timeouts
from mlrag.generation.base import Generator
from mlrag.generation.chat_generator import ChatGenerator
from mlrag.generation.client import BackendLimits, ModelClient
from mlrag.generation.extractive import Extractive
from mlrag.generation.fallback import Auto, AutoChoice, Fallback
from mlrag.generation.routed import RoutedGenerator, VariantBackend
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import Indexes
from mlrag.models.hardware import measure_memory
from mlrag.models.memory_fit import find_best_fit
from mlrag.models.route_file import read_routes, route_version
from mlrag.models.routing import Budget, Routes
from mlrag.models.variants import Variant, parse_variant
from mlrag.safety.shieldgemma import ShieldGemma, Translator
from mlrag.settings import Settings
from mlrag.state.answers import SqliteAnswers
from mlrag.state.budget import BudgetStore, Ledger, SqliteBudget
from mlrag.state.jobs import InProcessJobStatus, JobStatusStore
from mlrag.state.keys import FileKeys, KeyStore
from mlrag.state.rate_limit import InProcessRateLimiter, RateLimiter

if TYPE_CHECKING:
    from mlrag.index.postgres.server import Server


def make_embedder(settings: Settings, threads: int | None = None) -> Embedder:
    """`threads` of the bundled one: all cores without. Raises EmbedderError; PrivacyError for a remote embedder where
    the settings forbid it."""
    key = settings.ollama_key.get_secret_value()
    embedder = load_embedder(settings.embedder, settings.ollama_host, key, threads)
    _keep_private(settings, settings.embedder, embedder.host)
    return embedder


def start_embedder(settings: Settings) -> Embedder:
    """As make_embedder; the bundled one is loaded by a thread, and whoever needs it before it is there waits."""
    return (
        BackgroundEmbedder(lambda: make_embedder(settings)) if settings.embedder == BUNDLED else make_embedder(settings)
    )


def is_remote(host: str, settings: Settings) -> bool:
    """Is "host:port" another machine than this one and those that the settings call ours?"""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if not name or is_loopback(name):
        return False
    return not {name, host} & set(settings.local_hosts)


def _keep_private(settings: Settings, name: str, host: str) -> None:
    """Raises PrivacyError for a remote host where the settings forbid it."""
    if settings.private and is_remote(host, settings):
        raise PrivacyError(
            f"{name} would send questions and passages to {host}, and `private` forbids it",
            "name it in `local_hosts` if it is yours, or set private = false",
        )


@cache
def _gate(host: str, concurrency: int, per_minute: int | None, store_url: str) -> BackendLimits:
    """One gate a backend, shared by all that call it; calls a minute are counted by all replicas together."""
    return BackendLimits(host, concurrency, per_minute, _rate_limiter(store_url, "backend") if per_minute else None)


def _gate_of(settings: Settings, host: str) -> BackendLimits:
    return _gate(host, settings.concurrency, settings.per_minute, _shared_url(settings))


def _chat_model(settings: Settings, chosen: Variant, timeouts: Timeouts) -> ChatModel:
    match chosen.backend:
        case "openai":
            return _openai(settings, chosen.model, timeouts)
        case "gemini":
            from mlrag.generation.backends.gemini import GeminiChat

            return GeminiChat(chosen.model, settings.gemini_key.get_secret_value(), timeouts, settings.gemini_url)
        case "llamacpp":
            from mlrag.generation.backends.llamacpp import LlamaChat

            return LlamaChat(chosen.model, timeouts, settings.llamacpp_threads, settings.llamacpp_context)
        case _:
            from mlrag.generation.backends.ollama import OllamaChat

            return OllamaChat(chosen.model, settings.ollama_host, timeouts, settings.ollama_key.get_secret_value())


def _openai(settings: Settings, model: str, timeouts: Timeouts) -> ChatModel:
    from mlrag.generation.backends.openai import OpenAIChat

    if not settings.openai_url:
        raise SettingsError(
            f"openai:{model} needs the address of a server",
            "set MLRAG_OPENAI_URL: http://127.0.0.1:8000/v1 for vLLM, http://127.0.0.1:8080/v1 for llama-server, "
            "http://127.0.0.1:1234/v1 for LM Studio, https://openrouter.ai/api/v1 for OpenRouter",
        )
    return OpenAIChat(model, settings.openai_url, timeouts, settings.openai_key.get_secret_value())


def _caller(settings: Settings, chosen: Variant) -> ModelClient:
    """Raises PrivacyError for a remote backend where the settings forbid it."""
    timeouts = Timeouts(first=settings.first_token_timeout, total=settings.timeout)
    model = _chat_model(settings, chosen, timeouts)
    _keep_private(settings, model.name, model.host)
    return ModelClient(model, _gate_of(settings, model.host), timeouts)


def make_caller(settings: Settings, variant: str) -> ModelClient:
    """The model behind a variant, to be asked anything. Raises ValueError for an impossible name, SettingsError for
    one without a model of its own, PrivacyError for a remote backend where the settings forbid it."""
    chosen = parse_variant(variant, settings.variants)
    if chosen.backend in ("extractive", "auto"):
        raise SettingsError(f"{variant!r} names no model", "for example: e4b")
    return _caller(settings, chosen)


def _model_generator(settings: Settings, chosen: Variant) -> Generator:
    return ChatGenerator(_caller(settings, chosen), chosen.think, settings.keep_thinking)


def _translator(settings: Settings) -> Translator:
    chosen = parse_variant(settings.filter_translator, settings.variants)
    if chosen.backend in ("extractive", "auto"):
        raise SettingsError(f"filter_translator = {settings.filter_translator!r} names no model", "for example: e4b")
    return Translator(_caller(settings, chosen))


def make_filter(settings: Settings) -> ShieldGemma | None:
    """The safety filter, None where none is set. Raises PrivacyError, SettingsError.

    Its gate is its own: a filter that keeps failing must not close the way to the generator behind the same host.
    """
    if not settings.filter:
        return None
    timeouts = Timeouts(first=settings.filter_timeout, total=settings.filter_timeout)
    model = _chat_model(settings, parse_variant(f"ollama:{settings.filter}"), timeouts)
    _keep_private(settings, model.name, model.host)
    return ShieldGemma(
        ModelClient(model, BackendLimits(model.host, settings.concurrency, settings.per_minute), timeouts),
        settings.filter_thresholds,
        settings.filter_timeout,
        settings.filter_on_failure,
        _translator(settings) if settings.filter_translator else None,
    )


@cache
def _ledger(path: Path, url: str, budget: Budget) -> Ledger:
    """Return the one ledger of a store in this process."""
    return Ledger(lambda: _make_budget_store(path, url), budget)


def _make_budget_store(path: Path, url: str) -> BudgetStore:
    if not url:
        return SqliteBudget(path)
    from mlrag.state.budget_postgres import PostgresBudget

    return PostgresBudget(_server(url))


def make_ledger(settings: Settings, budget: Budget) -> Ledger:
    """Raises StorageError where there is a limit and nothing to count it in."""
    return _ledger(settings.spent_file, _shared_url(settings), budget)


def _part(settings: Settings, embedder: Embedder, name: str) -> VariantBackend:
    chosen = parse_variant(name, settings.variants)
    if chosen.backend == "extractive":
        return VariantBackend(Extractive(shipped_calibration(embedder.name, settings.caution)), lambda: 0)
    caller = _caller(settings, chosen)
    return VariantBackend(ChatGenerator(caller, chosen.think, settings.keep_thinking), lambda: caller.load)


def _router(settings: Settings, embedder: Embedder, routes: Routes, think: bool) -> RoutedGenerator:
    return RoutedGenerator(
        routes, lambda name: _part(settings, embedder, name), make_ledger(settings, routes.budget), think
    )


def choose(settings: Settings, embedder: Embedder, think: bool = False) -> AutoChoice:
    """Who answers for `auto`: whom the installed route names for each question; without a route the best installed
    Gemma 4 that fits this machine, else the remote variant that the settings name, else extractive."""
    from mlrag.generation.backends.ollama import list_installed_models

    routes = read_routes(settings.route_file)
    if routes:
        return AutoChoice(_router(settings, embedder, routes, think), f"whom the route of {routes.source} names")
    try:
        found = find_best_fit(list_installed_models(settings.ollama_host), measure_memory())
        if found.tag:
            variant = parse_variant(f"ollama:{found.tag}" + ("+think" if think else ""))
            return AutoChoice(_model_generator(settings, variant), found.reason)
        reason = found.reason
    except GeneratorUnavailableError as error:
        reason = error.message
    if settings.auto_remote:
        chosen = parse_variant(settings.auto_remote, settings.variants)
        return AutoChoice(_model_generator(settings, chosen), f"{reason}; {settings.auto_remote} is set as auto_remote")
    return AutoChoice(
        Extractive(shipped_calibration(embedder.name, settings.caution)), f"{reason}; extractive needs no model"
    )


def make_generator(settings: Settings, embedder: Embedder, variant: str | None = None) -> Generator:
    """A model is reached only when it is asked. Raises ValueError for an impossible variant name, PrivacyError for
    a remote backend where the settings forbid it."""
    chosen = parse_variant(variant or settings.variant, settings.variants)
    extractive = Extractive(shipped_calibration(embedder.name, settings.caution))
    if chosen.backend == "extractive":
        return extractive
    generator: Generator
    if chosen.backend == "auto":
        generator = Auto(lambda: choose(settings, embedder, chosen.think), lambda: route_version(settings.route_file))
    else:
        generator = _model_generator(settings, chosen)
    return Fallback(generator, extractive) if settings.fallback == "extractive" else generator


def make_indexes(settings: Settings) -> Indexes:
    """Where the documents are. Raises StorageError, SettingsError without the driver, PrivacyError for another machine
    where the settings forbid it."""
    return open_indexes(settings, settings.store_url.get_secret_value())


def open_indexes(settings: Settings, url: str) -> Indexes:
    """A PostgreSQL server by its address; the folder of the settings without one."""
    if not url:
        return FolderIndexes(settings.index_dir)
    _check_server(settings, url)
    from mlrag.index.postgres.indexes import PostgresIndexes

    return PostgresIndexes(url)


def _check_server(settings: Settings, url: str) -> None:
    """Raises SettingsError without the driver, PrivacyError for another machine where the settings forbid it."""
    try:
        from mlrag.index.postgres.server import hosts
    except ImportError as error:
        raise SettingsError(f"store_url needs {error.name}", "install it: pip install 'mlrag[postgres]'") from error
    for host in hosts(url):
        _keep_private(settings, "the document store", host)


def _shared_url(settings: Settings) -> str:
    """Where replicas share what is not documents; "" for a service of one process, whose data folder holds it.

    Raises SettingsError, PrivacyError.
    """
    url = settings.store_url.get_secret_value()
    if url:
        _check_server(settings, url)
    return url


def _server(url: str) -> Server:
    from mlrag.state.postgres import shared_server

    return shared_server(url)


def make_keys(settings: Settings) -> KeyStore:
    """Raises SettingsError, PrivacyError, StorageError."""
    url = _shared_url(settings)
    if not url:
        return FileKeys(settings.keys_file)
    from mlrag.state.keys_postgres import PostgresKeys

    return PostgresKeys(_server(url))


def make_rate_limiter(settings: Settings, of: str) -> RateLimiter:
    """Counts of one kind. Raises SettingsError, PrivacyError, StorageError."""
    return _rate_limiter(_shared_url(settings), of)


def _rate_limiter(url: str, of: str) -> RateLimiter:
    if not url:
        return InProcessRateLimiter()
    from mlrag.state.postgres import Dispensable
    from mlrag.state.rate_limit_postgres import PostgresRateLimiter

    return PostgresRateLimiter(Dispensable(_server(url)), of)


def make_job_statuses(settings: Settings) -> JobStatusStore:
    """Raises SettingsError, PrivacyError, StorageError."""
    url = _shared_url(settings)
    if not url:
        return InProcessJobStatus()
    from mlrag.state.jobs_postgres import PostgresJobStatus

    return PostgresJobStatus(_server(url))


def make_cache(settings: Settings, retriever: Retriever) -> AnswerCache | None:
    """None where the settings want none. Raises SettingsError, PrivacyError, StorageError."""
    url = _shared_url(settings)
    if not settings.cache_answers:
        return None
    if not url:
        return AnswerCache(SqliteAnswers(settings.cache_file), settings, retriever.embedder, StoreContents(retriever))
    from mlrag.index.postgres.indexes import PostgresIndexes
    from mlrag.state.answers_postgres import PostgresAnswers
    from mlrag.state.postgres import Dispensable

    assert isinstance(retriever.indexes, PostgresIndexes)
    rows = PostgresAnswers(Dispensable(_server(url)))
    return AnswerCache(rows, settings, retriever.embedder, retriever.indexes.stamps)


def make_retriever(settings: Settings, embedder: Embedder | None = None) -> Retriever:
    """Over an `embedder` that is loaded already, or the settings' own. Raises EmbedderError, PrivacyError."""
    return Retriever(make_indexes(settings), embedder or make_embedder(settings), settings.filter_prompt_injection)


def make_pipeline(
    settings: Settings,
    retriever: Retriever | None = None,
    variant: str | None = None,
    cross_language: bool | None = None,
) -> Pipeline:
    """A pipeline; give a `retriever` to share its open indexes and embedder."""
    retriever = retriever or make_retriever(settings)
    return Pipeline(
        retriever,
        make_generator(settings, retriever.embedder, variant),
        k=settings.k,
        cross_language=settings.cross_language if cross_language is None else cross_language,
        max_question=settings.max_question,
        timeout=settings.timeout,
        is_remote=lambda host: is_remote(host, settings),
        filter=make_filter(settings),
    )
