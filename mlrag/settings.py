"""One Settings class. The environment (MLRAG_…) beats mlrag.toml in the working folder, which beats these."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mlrag.variants import CustomVariant, check_custom

_HOUSE = Path(__file__).parent.parent


def _corpora() -> Path:
    """The starter documents: of the working folder if it has any, else those that came with mlrag."""
    here = Path("corpora")
    return here if here.is_dir() else _HOUSE / "corpora"


class Settings(BaseSettings):
    """Read once, at an entry point, and handed on."""

    model_config = SettingsConfigDict(env_prefix="MLRAG_", toml_file="mlrag.toml", extra="forbid")

    data_dir: Path = Field(default=Path("var"), description="Everything generated: indexes, runs, reports.")
    corpora: Path = Field(default_factory=_corpora, description="Documents that `serve` indexes at start.")
    embedder: str = Field(default="bundled", description='"bundled", or a sentence-transformers model by name or path.')
    variant: str = Field(
        default="extractive", description="Who answers: extractive, e2b, e4b, 12b, 26b, 31b or any tag; +think."
    )
    variants: dict[str, CustomVariant] = Field(
        default={}, description="Your own names: [variants.NAME] with tag, base (the family member), context."
    )
    ollama_host: str = Field(default="http://127.0.0.1:11434", description="Where Ollama listens.")
    timeout: float = Field(default=120.0, gt=0, description="Seconds a generator may take.")
    k: int = Field(default=5, ge=1, le=50, description="Passages given to the generator.")
    cross_language: bool = Field(default=True, description="Look in other languages when the asked one has nothing.")
    max_question: int = Field(default=2000, ge=1, description="Longest question, in characters.")
    host: str = Field(default="127.0.0.1", description="Address the service binds.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port the service binds.")

    @field_validator("variants")
    @classmethod
    def _usable(cls, variants: dict[str, CustomVariant]) -> dict[str, CustomVariant]:
        """Raises SettingsError for a name, tag or base that cannot be used."""
        for name, custom in variants.items():
            check_custom(name, custom)
        return variants

    @property
    def index_dir(self) -> Path:
        return self.data_dir / "index"

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
