"""One Settings class. The environment (MLRAG_…) beats mlrag.toml in the working folder, which beats these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mlrag.errors import SettingsError
from mlrag.models.variants import CustomVariant, check_custom
from mlrag.types import PolicyName


class Settings(BaseSettings):
    """Read once, at an entry point, and handed on."""

    model_config = SettingsConfigDict(
        env_prefix="MLRAG_", toml_file="mlrag.toml", extra="forbid", populate_by_name=True
    )

    data_dir: Path = Field(default=Path("var"), description="Everything generated: indexes, runs, reports.")
    corpora: Path = Field(
        default=Path("corpora"),
        description="Folder of documents that `serve` indexes at start, and `index` where no paths are given.",
    )
    embedder: str = Field(
        default="bundled", description='"bundled", "ollama:TAG", or a sentence-transformers model by name or path.'
    )
    variant: str = Field(
        default="extractive", description="Who answers: extractive, e2b, e4b, 12b, 26b, 31b or any tag; +think."
    )
    variants: dict[str, CustomVariant] = Field(
        default={}, description="Your own names: [variants.NAME] with tag, base (the family member), context."
    )
    ollama_host: str = Field(
        default="http://127.0.0.1:11434",
        validation_alias=AliasChoices("mlrag_ollama_host", "ollama_host"),
        description="Where Ollama listens. OLLAMA_HOST is read too.",
    )
    ollama_key: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("ollama_api_key"), description="OLLAMA_API_KEY."
    )
    openai_url: str = Field(default="", description="Base URL of an OpenAI-compatible server, with its /v1.")
    openai_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("openai_api_key", "openrouter_api_key"),
        description="OPENAI_API_KEY or OPENROUTER_API_KEY.",
    )
    gemini_url: str = Field(default="", description="Another address of the Gemini API; Google's own without it.")
    gemini_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("gemini_api_key", "google_api_key"),
        description="GEMINI_API_KEY or GOOGLE_API_KEY.",
    )
    llamacpp_threads: int | None = Field(
        default=None, ge=1, description="Threads of llama.cpp; None: all physical cores but one."
    )
    llamacpp_context: int = Field(default=4096, ge=512, description="Tokens that prompt and reply may fill together.")
    timeout: float = Field(default=120.0, gt=0, description="Seconds a generator may take, retries included.")
    first_token_timeout: float = Field(default=60.0, gt=0, description="Seconds to the first token.")
    concurrency: int = Field(default=4, ge=1, description="Calls to one backend at once.")
    per_minute: int | None = Field(default=None, ge=1, description="Calls to one backend a minute; None: no limit.")
    fallback: Literal["none", "extractive"] = Field(
        default="none", description="Who answers when the generator fails: nobody (an error), or extractive."
    )
    auto_remote: str = Field(
        default="", description="The remote variant that `auto` may use where no local model fits, e.g. gemini:31b."
    )
    keep_thinking: bool = Field(default=False, description="Hand a model's thoughts on, apart from its answer.")
    private: bool = Field(default=False, description="Forbid every backend that is not on this machine.")
    local_hosts: tuple[str, ...] = Field(
        default=(), description="Other hosts that count as ours, e.g. a model server in the same rack."
    )
    filter: str = Field(default="", description='A ShieldGemma of Ollama, e.g. "shieldgemma:2b"; no filter without.')
    filter_thresholds: dict[PolicyName, Annotated[float, Field(gt=0, le=1)]] = Field(
        default={}, description="P(violation) from which a text is refused, by policy; 0.5 where not given."
    )
    filter_timeout: float = Field(default=60.0, gt=0, description="Seconds that screening one text may take.")
    filter_on_failure: Literal["closed", "open"] = Field(
        default="closed", description="What becomes of a text that the filter cannot judge: refused, or let pass."
    )
    filter_translator: str = Field(
        default="", description="A variant that translates into English before screening, e.g. e4b."
    )
    caution: Literal["balanced", "strict"] = Field(
        default="balanced",
        description="When extractive abstains: balanced, or strict (far fewer wrong answers, more refusals).",
    )
    max_file_mb: int = Field(default=50, ge=1, description="Largest file that is read, also unpacked, in MB.")
    max_file_seconds: float = Field(default=60.0, gt=0, description="Seconds that reading one file may take.")
    max_file_memory_mb: int = Field(default=2000, ge=500, description="Memory that reading one file may take, in MB.")
    k: int = Field(default=5, ge=1, le=50, description="Passages given to the generator.")
    cross_language: bool = Field(default=True, description="Look in other languages when the asked one has nothing.")
    filter_prompt_injection: bool = Field(
        default=True, description="Hide sentences of documents that give instructions to a model from every generator."
    )
    max_question: int = Field(default=2000, ge=1, description="Longest question, in characters.")
    store_url: SecretStr = Field(
        default=SecretStr(""),
        description="postgresql://USER:PASSWORD@HOST,HOST/DATABASE keeps the indexes there; below data_dir without.",
    )
    host: str = Field(default="127.0.0.1", description="Address the service binds.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the service binds.")
    rate_limit: str = Field(default="60/minute", description='Requests of one key, once there are keys; "": no limit.')
    max_body: int = Field(default=65536, ge=1, description="Longest request body, in bytes.")
    max_upload: int = Field(default=33554432, ge=1, description="Longest body that brings documents, in bytes.")
    max_asks: int = Field(default=4, ge=1, description="Questions answered at once.")
    max_waiting: int = Field(default=16, ge=0, description="Questions that may wait for their turn; more get 503.")
    deadline: float = Field(default=180.0, gt=0, description="Seconds that one request may take, waiting included.")
    grace: int = Field(default=30, ge=0, description="Seconds that running answers get to end when the service stops.")
    drain: float = Field(
        default=0.0,
        ge=0,
        description="Seconds after SIGTERM in which requests are still taken while /readyz says no, for proxies; "
        "and then for uploads that wait.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description='Other sites whose pages may call the service, e.g. ["https://intranet.example"].'
    )
    cache_answers: int = Field(default=10000, ge=0, description="Answers kept for equal questions; 0: none.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What the log holds.")
    log_questions: bool = Field(default=False, description="Write questions to the log. They may be private.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_renamed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Raises SettingsError for the former name of a setting, which would be ignored in the environment."""
        if "withhold_orders" in given or "MLRAG_WITHHOLD_ORDERS" in os.environ:
            raise SettingsError(
                "the setting withhold_orders is now named filter_prompt_injection",
                "rename it in mlrag.toml, or MLRAG_WITHHOLD_ORDERS to MLRAG_FILTER_PROMPT_INJECTION",
            )
        return given

    @field_validator("variants")
    @classmethod
    def _usable(cls, variants: dict[str, CustomVariant]) -> dict[str, CustomVariant]:
        """Raises SettingsError for a name, tag or base that cannot be used."""
        for name, custom in variants.items():
            check_custom(name, custom)
        return variants

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, rate: str) -> str:
        """Raises SettingsError for a rate that `limits` cannot read."""
        from limits import parse_many

        try:
            return rate and str(parse_many(rate)) and rate
        except ValueError as error:
            raise SettingsError(f"rate_limit = {rate!r} is no rate", 'for example: rate_limit = "60/minute"') from error

    @field_validator("store_url")
    @classmethod
    def _postgres(cls, url: SecretStr) -> SecretStr:
        """Raises SettingsError for an address of anything else; it is not repeated, since it may hold a password."""
        if url.get_secret_value() and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise SettingsError("store_url is no PostgreSQL address", "postgresql://USER:PASSWORD@HOST:5432/DATABASE")
        return url

    @field_validator("filter")
    @classmethod
    def _shieldgemma(cls, tag: str) -> str:
        """Raises SettingsError for a model that is no ShieldGemma: another one's Yes and No mean nothing."""
        if tag and "shieldgemma" not in tag:
            raise SettingsError(f"filter = {tag!r} is no ShieldGemma", 'for example: filter = "shieldgemma:2b"')
        return tag

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

    @property
    def keys_file(self) -> Path:
        return self.data_dir / "keys.json"

    @property
    def route_file(self) -> Path:
        """The rules of `auto`, where `mlrag route` installed any."""
        return self.data_dir / "route.json"

    @property
    def spent_file(self) -> Path:
        return self.data_dir / "route-spent.sqlite"

    @property
    def cache_file(self) -> Path:
        return self.data_dir / "answers.sqlite"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
