"""Can everybody that a route names answer here? Each who cannot, with what mends it."""

from __future__ import annotations

from pathlib import Path

from mlrag.errors import MlragError
from mlrag.factory import is_remote, make_caller
from mlrag.generation.backends.ollama import installed
from mlrag.models.hardware import Memory
from mlrag.models.memory_fit import USEFUL_CONTEXT, memory_gb
from mlrag.models.routing import LAST, Routes
from mlrag.models.variants import Variant, member_of, parse_variant
from mlrag.settings import Settings


def obstacles(routes: Routes, settings: Settings, memory: Memory) -> list[str]:
    """One sentence for each variant that cannot be asked, naming the fix. Asks Ollama for its tags, no model."""
    found = ((name, _obstacle(name, settings, memory)) for name in routes.names if name != LAST)
    return [f"{name}: {why}" for name, why in found if why]


def _obstacle(name: str, settings: Settings, memory: Memory) -> str:
    try:
        chosen = parse_variant(name, settings.variants)
        if chosen.backend == "llamacpp" and not Path(chosen.model).is_file():
            return f"there is no file {chosen.model}: put it there, or name yours under [variants.NAME] in mlrag.toml"
        host = make_caller(settings, name).model.host
        if chosen.backend == "ollama":
            return _not_installed(chosen, settings) or ("" if is_remote(host, settings) else _too_large(chosen, memory))
        return _too_large(chosen, memory) if chosen.backend == "llamacpp" else ""
    except (MlragError, ValueError) as error:
        return str(error)


def _not_installed(chosen: Variant, settings: Settings) -> str:
    tags = installed(settings.ollama_host)
    there = {chosen.model, f"{chosen.model}:latest"} & set(tags)
    return "" if there else f"{settings.ollama_host} does not have it: ollama pull {chosen.model}"


def _too_large(chosen: Variant, memory: Memory) -> str:
    """ "" where it fits, or where nobody knows how large it is."""
    needed = needed_gb(chosen)
    if needed is None or needed <= memory.most:
        return ""
    return (
        f"it needs {needed:.1f} GB and this machine has {memory.most:.1f} of {memory.place}: "
        f"python -m eval.advise --ram {memory.most:.0f} leaves it out"
    )


def needed_gb(chosen: Variant) -> float | None:
    """GB of 10^9 bytes for a model on this machine: computed for Ollama's own tags, a file's size for a file."""
    if chosen.backend == "llamacpp":
        return Path(chosen.model).stat().st_size / 1e9
    spec = member_of(chosen.model) if chosen.backend == "ollama" else None
    if spec is None or chosen.model not in (spec.ids["ollama"], "gemma4", "gemma4:latest"):
        return None
    return memory_gb(spec, "q4_k_m", USEFUL_CONTEXT)


def cautions(routes: Routes, settings: Settings, memory: Memory) -> list[str]:
    """What does not keep a route from working, and is worth knowing."""
    found = [f"{n} was not asked whether it answers" for n in routes.names if _far(n, settings)]
    here = [needed_gb(parse_variant(n, settings.variants)) for n in routes.names if n != LAST and not _far(n, settings)]
    together = sum({n for n in here if n is not None})
    if together > memory.most:
        found.append(
            f"its models need {together:.1f} GB together and this machine has {memory.most:.1f}: the backend unloads "
            "one to load the other, which costs seconds at every change"
        )
    return found


def _far(name: str, settings: Settings) -> bool:
    return parse_variant(name, settings.variants).backend in ("openai", "gemini")
