"""How much memory a variant needs, and which installed variant fits the hardware."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlrag.models.hardware import Memory
from mlrag.models.variants import Quantisation, VariantSpec, default_download

USEFUL_CONTEXT = 8192
RANKED_BY = "MMMLU"
_CACHE_BYTES = 2  # f16, Ollama's default, and bf16
_RUNTIME_GB = 1.0
_GIB = 2**30 / 1e9


def kv_bytes(spec: VariantSpec, context: int) -> int:
    """Return the bytes of the key-value cache of one sequence of `context` tokens, 16 bits each.

    2 × 2 bytes × Σ heads × head dimension × tokens, over the layers that store their own: a global layer stores all
    tokens, a sliding one at most its window, a layer that shares another's cache stores none. Keys and values are both
    stored where they come from one projection (12b, 26b, 31b), because they are normalised and rotated separately.
    Source: `layer_types`, `num_kv_shared_layers` and `attention_k_eq_v` as Hugging Face transformers 5.23 reads them
    (models/gemma4). llama.cpp may store one batch more than the window in sliding layers.

    Raises ValueError for a context below 1.
    """
    if context < 1:
        raise ValueError(f"a context has at least one token, not {context}")
    layout = spec.layout
    storing_layers = layout.layers - layout.kv_shared
    global_layers = storing_layers // (layout.local_run + 1)
    sliding_layers = storing_layers - global_layers
    values = sliding_layers * layout.kv_local * layout.head_local * min(context, layout.window)
    values += global_layers * layout.kv_global * layout.head_global * context
    return 2 * _CACHE_BYTES * values


def memory_gb(spec: VariantSpec, quantisation: Quantisation, context: int, parallel: int = 1) -> float:
    """Return GB of 10^9 bytes: weights + overhead + `kv_bytes` × `parallel` sequences of `context` tokens each.

    "q4_k_m" is the file that Ollama downloads, plus an assumed 1 GB for the runtime (0.54 GB of it are the logits of
    a batch of 512 tokens over 262,144 words in fp32; the rest is not measured). The others are Google's table, which
    counts in GiB and includes 20 % of overhead.
    """
    published = spec.memory[quantisation]
    weights = published + _RUNTIME_GB if quantisation == "q4_k_m" else published * _GIB
    return weights + kv_bytes(spec, context) * parallel / 1e9


def fits(
    spec: VariantSpec, available_gb: float, context: int, quantisation: Quantisation = "q4_k_m", parallel: int = 1
) -> bool:
    """Return whether the variant needs at most `available_gb` and supports a context of that length."""
    return context <= spec.context and memory_gb(spec, quantisation, context, parallel) <= available_gb


@dataclass(frozen=True, slots=True)
class BestFit:
    """The chosen Ollama tag; None where nothing fits. `reason` is one sentence for people."""

    tag: str | None
    spec: VariantSpec | None
    reason: str


def find_best_fit(installed: Iterable[str], memory: Memory, context: int = USEFUL_CONTEXT) -> BestFit:
    """Choose the installed Ollama tag with the highest published MMMLU that fits into the memory that is free now.

    Only tags of known size count: the family's default downloads, not "gemma4:e4b-it-q8_0" or a fine-tune.
    """
    ranked = _rank(installed)
    if not ranked:
        return BestFit(None, None, "no Gemma 4 variant of known size is installed: ollama pull gemma4:e4b")
    fitting = [tag for tag, spec in ranked.items() if fits(spec, memory.usable, context)]
    too_large = [_describe_need(tag, spec, context) for tag, spec in ranked.items() if tag not in fitting]
    free = f"{memory.usable:.1f} GB of {memory.kind} are free"
    if not fitting:
        return BestFit(None, None, f"nothing fits at {context} tokens: {free}, but {', '.join(too_large)}")
    tag = fitting[0]
    needs = ", ".join([_describe_need(tag, ranked[tag], context), *too_large])
    reason = (
        f"{tag} scores best on {RANKED_BY} of the installed variants that fit at {context} tokens: {free}, and {needs}"
    )
    return BestFit(tag, ranked[tag], reason)


def _rank(installed: Iterable[str]) -> dict[str, VariantSpec]:
    """Tags of known size, best published score first. A variant under two tags appears once."""
    tags: dict[str, str] = {}
    specs: dict[str, VariantSpec] = {}
    for tag in installed:
        if spec := default_download(tag):
            tags.setdefault(spec.name, tag)
            specs[spec.name] = spec
    ranked = sorted(specs.values(), key=lambda spec: spec.score(RANKED_BY), reverse=True)
    return {tags[spec.name]: spec for spec in ranked}


def _describe_need(tag: str, spec: VariantSpec, context: int) -> str:
    if context > spec.context:
        return f"{tag} ends at {spec.context} tokens"
    return f"{tag} needs {memory_gb(spec, 'q4_k_m', context):.1f}"


def describe_fit(spec: VariantSpec, memory: Memory, context: int = USEFUL_CONTEXT) -> str:
    """Return one line for `mlrag doctor`: what Ollama's download needs, and whether this machine has it."""
    need = f"needs {memory_gb(spec, 'q4_k_m', context):.1f} GB at {context} tokens"
    if fits(spec, memory.usable, context):
        return f"{need}: fits ({memory.usable:.1f} GB of {memory.kind} free)"
    if fits(spec, memory.capacity, context):
        return f"{need}: fits this machine, but only {memory.usable:.1f} of {memory.capacity:.1f} GB are free now"
    return f"{need}: does not fit this machine ({memory.capacity:.1f} GB)"
