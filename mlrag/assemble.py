"""Settings to parts: the one place that names concrete classes."""

from __future__ import annotations

from mlrag.errors import SettingsError
from mlrag.generation.base import Generator
from mlrag.generation.calibration import shipped_calibration
from mlrag.generation.extractive import Extractive
from mlrag.index.embedders import Embedder, load_embedder
from mlrag.pipeline import Pipeline
from mlrag.retrieval import Retriever
from mlrag.settings import Settings
from mlrag.variants import parse_variant


def make_embedder(settings: Settings) -> Embedder:
    return load_embedder(settings.embedder)


def make_generator(settings: Settings, embedder: Embedder, variant: str | None = None) -> Generator:
    """Raises ValueError for an impossible variant name. A model is reached only when it is asked."""
    chosen = parse_variant(variant or settings.variant, settings.variants)
    if chosen.backend == "extractive":
        return Extractive(shipped_calibration(embedder.name))
    if chosen.backend != "ollama":
        raise SettingsError(
            f"{chosen.label!r} asks for the backend {chosen.backend}, which is not here yet",
            "use extractive, a Gemma 4 variant or an Ollama tag",
        )
    from mlrag.generation.ollama import Ollama

    return Ollama(chosen.model, chosen.think, settings.ollama_host, settings.timeout)


def make_pipeline(
    settings: Settings,
    retriever: Retriever | None = None,
    variant: str | None = None,
    cross_language: bool | None = None,
) -> Pipeline:
    """A pipeline; give a `retriever` to share its open indexes and embedder."""
    retriever = retriever or Retriever(settings.index_dir, make_embedder(settings))
    return Pipeline(
        retriever,
        make_generator(settings, retriever.embedder, variant),
        k=settings.k,
        cross_language=settings.cross_language if cross_language is None else cross_language,
        max_question=settings.max_question,
    )
