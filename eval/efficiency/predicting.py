"""Tokens a second from two numbers: how fast memory is read, and how much of it a token needs."""

from __future__ import annotations

from pathlib import Path

from mlrag.models.memory_fit import kv_bytes
from mlrag.models.variants import Variant, VariantSpec


def bytes_per_token(variant: Variant, context: int) -> float | None:
    """What is read for one token: the weights at work and the keys and values of the context. None where unknown.

    Weights: the file of `llamacpp:`; else Ollama's default file of the family member. Of a mixture, and of the variants
    with per-layer embeddings, only the active share (active / published parameters).
    """
    weights = _weights(variant)
    if weights is None:
        return None
    spec = variant.spec
    return weights * _active(spec) + kv_bytes(spec, context) if spec else weights


def tokens_per_second(variant: Variant, context: int, gb_per_second: float) -> float | None:
    """An upper bound for one stream: generation waits for memory. Reading a prompt waits for arithmetic instead, and is
    not predicted."""
    needed = bytes_per_token(variant, context)
    return gb_per_second * 1e9 / needed if needed else None


def _weights(variant: Variant) -> float | None:
    if variant.backend == "llamacpp":
        path = Path(variant.model).expanduser()
        return float(path.stat().st_size) if path.is_file() else None
    return variant.spec.memory["q4_k_m"] * 1e9 if variant.spec and variant.backend == "ollama" else None


def _active(spec: VariantSpec) -> float:
    return (spec.parameters.active or spec.parameters.published) / spec.parameters.published
