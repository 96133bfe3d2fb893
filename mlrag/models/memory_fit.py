"""Which variant fits this machine: what a variant needs, and the choice among those installed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlrag.models.hardware import Memory
from mlrag.models.variants import Quantisation, VariantSpec, family, member_of

USEFUL_CONTEXT = 8192
RANKED_BY = "MMMLU"
_CACHE_BYTES = 2  # f16, Ollama's default, and bf16
_RUNTIME_GB = 1.0
_GIB = 2**30 / 1e9


def kv_bytes(spec: VariantSpec, context: int) -> int:
    """Bytes of keys and values of one sequence of `context` tokens, 16 bits each.

    2 × 2 bytes × Σ heads × head dimension × tokens, over the layers that store their own: a global layer keeps all of
    the tokens, a sliding one at most its window, a layer that shares another's keeps none. Keys and values are both
    kept where they come from one projection (12b, 26b, 31b), for they are normalised and rotated apart.
    Source: `layer_types`, `num_kv_shared_layers` and `attention_k_eq_v` as Hugging Face transformers 5.23 reads them
    (models/gemma4). llama.cpp may keep one batch more than the window in sliding layers.
    """
    if context < 1:
        raise ValueError(f"a context has at least one token, not {context}")
    layout = spec.layout
    storing = layout.layers - layout.kv_shared
    whole = storing // (layout.local_run + 1)
    sliding = (storing - whole) * layout.kv_local * layout.head_local * min(context, layout.window)
    return 2 * _CACHE_BYTES * (sliding + whole * layout.kv_global * layout.head_global * context)


def memory_gb(spec: VariantSpec, quantisation: Quantisation, context: int, parallel: int = 1) -> float:
    """GB of 10^9 bytes: weights + overhead + `kv_bytes` × `parallel` sequences of `context` tokens each.

    "q4_k_m" is the file that Ollama downloads, plus an assumed 1 GB for the runtime (0.54 GB of it are the logits of
    a batch of 512 tokens over 262,144 words in fp32; the rest is not measured). The others are Google's table, which
    counts in GiB and has a fifth of overhead in it already.
    """
    published = spec.memory[quantisation]
    loaded = published + _RUNTIME_GB if quantisation == "q4_k_m" else published * _GIB
    return loaded + kv_bytes(spec, context) * parallel / 1e9


def fits(
    spec: VariantSpec, available_gb: float, context: int, quantisation: Quantisation = "q4_k_m", parallel: int = 1
) -> bool:
    """Does it fit in `available_gb`, and was it made for so long a context?"""
    return context <= spec.context and memory_gb(spec, quantisation, context, parallel) <= available_gb


@dataclass(frozen=True, slots=True)
class Choice:
    """`tag` is Ollama's, None where nothing fits. `reason` is one sentence for people."""

    tag: str | None
    spec: VariantSpec | None
    reason: str


def best_fitting(installed: Iterable[str], memory: Memory, context: int = USEFUL_CONTEXT) -> Choice:
    """The installed Ollama tag that scores best (published MMMLU) and fits into what is free now.

    Only tags of known size count: the family's default downloads, not "gemma4:e4b-it-q8_0" or a fine-tune.
    """
    present = _by_rank(installed)
    if not present:
        return Choice(None, None, "no Gemma 4 variant of known size is installed: ollama pull gemma4:e4b")
    fitting = [tag for tag, spec in present.items() if fits(spec, memory.usable, context)]
    too_large = [_need(tag, spec, context) for tag, spec in present.items() if tag not in fitting]
    room = f"{memory.usable:.1f} GB of {memory.place} are free"
    if not fitting:
        return Choice(None, None, f"nothing fits at {context} tokens: {room}, but {', '.join(too_large)}")
    tag = fitting[0]
    reason = f"{tag} scores best on {RANKED_BY} of the installed variants that fit at {context} tokens: {room}, and "
    return Choice(tag, present[tag], reason + ", ".join([_need(tag, present[tag], context), *too_large]))


def _by_rank(installed: Iterable[str]) -> dict[str, VariantSpec]:
    """Tags of known size, best first. One variant under two tags is there once."""
    by_spec: dict[str, str] = {}
    for tag in installed:
        spec = member_of(tag)
        if spec and tag in (spec.ids["ollama"], "gemma4", "gemma4:latest"):
            by_spec.setdefault(spec.name, tag)
    ranked = sorted(by_spec, key=lambda name: family()[name].score(RANKED_BY), reverse=True)
    return {by_spec[name]: family()[name] for name in ranked}


def _need(tag: str, spec: VariantSpec, context: int) -> str:
    if context > spec.context:
        return f"{tag} ends at {spec.context} tokens"
    return f"{tag} needs {memory_gb(spec, 'q4_k_m', context):.1f}"


def verdict(spec: VariantSpec, memory: Memory, context: int = USEFUL_CONTEXT) -> str:
    """One line for `mlrag doctor`: what it needs as Ollama ships it, and whether this machine has that."""
    need = f"needs {memory_gb(spec, 'q4_k_m', context):.1f} GB at {context} tokens"
    if fits(spec, memory.usable, context):
        return f"{need}: fits ({memory.usable:.1f} GB of {memory.place} free)"
    if fits(spec, memory.most, context):
        return f"{need}: fits this machine, but only {memory.usable:.1f} of {memory.most:.1f} GB are free now"
    return f"{need}: does not fit this machine ({memory.most:.1f} GB)"
