"""The Gemma 4 family, and the names of variants.

A name is "extractive", "auto", a family member ("e4b"), a backend and its model ("openai:google/gemma-4-31b-it:free"),
one of the user's own names, or any other Ollama tag; "+think" behind it turns thinking on.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from mlrag.errors import SettingsError

Backend = Literal["extractive", "auto", "ollama", "openai", "gemini", "llamacpp"]
Quantisation = Literal["bf16", "sfp8", "q4_0", "q4_k_m"]

_MODELLESS: tuple[Backend, ...] = ("extractive", "auto")
_PREFIXES: tuple[Backend, ...] = ("ollama", "openai", "gemini", "llamacpp")
_THINK = "+think"
_OLLAMA_DEFAULT = "e4b"  # what Ollama gives for a bare "gemma4"
_OLLAMA_DEFAULT_TAGS = ("gemma4", "gemma4:latest")
_FAMILY_MEMBER = re.compile(r"gemma-?4[-:](e2b|e4b|12b|26b|31b)(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class Layout:
    """The attention layout, from which the size of the key-value cache is computed.

    `local_run` sliding layers of `window` tokens come before each global one. The last `kv_shared` layers reuse
    earlier keys and values. `kv_*` are key-value heads, `head_*` their dimensions, in local and global layers.
    """

    layers: int
    kv_shared: int
    local_run: int
    window: int
    kv_local: int
    kv_global: int
    head_local: int
    head_global: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """`published` and `active` in billions, as the model card rounds them; `text` and `towers` counted.

    `active` is None where every parameter works on every token, `towers` (text and towers) where there are none.
    """

    published: float
    text: int
    towers: int | None = None
    active: float | None = None


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A published score, never measured here. Percent, unless `benchmark` says otherwise."""

    benchmark: str
    value: float
    source: str
    date: str
    conditions: str


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """One member of the family. `ids` holds its name at each backend that serves it. `memory` is as published."""

    name: str
    title: str
    ids: Mapping[str, str]
    parameters: Parameters
    layout: Layout
    context: int
    modalities: tuple[str, ...]
    licence: str
    released: str
    memory: Mapping[Quantisation, float]
    scores: tuple[PublishedScore, ...]

    def score(self, benchmark: str) -> float:
        """Return the first published value. Raises KeyError where there is none."""
        return {s.benchmark: s.value for s in reversed(self.scores)}[benchmark]


@dataclass(frozen=True, slots=True)
class CustomVariant:
    """A name from the settings: `tag` is any variant name, `base` the family member it was tuned from."""

    tag: str
    base: str
    context: int | None = None
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Variant:
    """A parsed variant name. `model` is the id that `backend` knows, "" for the two that have none.

    `label` is printed in reports. `spec` is None for a model outside the family, `context` where it is unknown.
    """

    label: str
    backend: Backend
    model: str = ""
    think: bool = False
    spec: VariantSpec | None = None
    context: int | None = None


@cache
def family() -> dict[str, VariantSpec]:
    """Return the Gemma 4 variants by short name, smallest first."""
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    published = data.pop("published")
    return {name: _spec(name, fields, published) for name, fields in data.items()}


def _spec(name: str, fields: dict[str, Any], published: list[dict[str, Any]]) -> VariantSpec:
    scores = tuple(
        PublishedScore(benchmark, values[name], block["source"], block["date"], block["conditions"])
        for block in published
        for benchmark, values in block["scores"].items()
        if name in values
    )
    typed = {
        "parameters": Parameters(**fields["parameters"]),
        "layout": Layout(**fields["layout"]),
        "modalities": tuple(fields["modalities"]),
    }
    return VariantSpec(name=name, scores=scores, **(fields | typed))


def known_names() -> str:
    """Return every kind of variant name, as error messages list them."""
    gemini = ", ".join(f"gemini:{s.name}" for s in family().values() if "gemini" in s.ids)
    return (
        f"known: {', '.join((*_MODELLESS, *family()))}, ollama:TAG, openai:NAME, {gemini}, llamacpp:PATH.gguf, "
        "any Ollama tag; +think behind it turns thinking on"
    )


def member_of(model: str) -> VariantSpec | None:
    """Return the family member in a tag, hub id or file name, fine-tunes included: "my/gemma-4-E4B-si" is e4b."""
    folded = model.casefold()
    if folded in _OLLAMA_DEFAULT_TAGS:
        return family()[_OLLAMA_DEFAULT]
    match = _FAMILY_MEMBER.search(folded)
    return family()[match[1]] if match else None


def default_download(tag: str) -> VariantSpec | None:
    """Return the family member that Ollama downloads for this tag; None for fine-tunes and other quantisations."""
    spec = member_of(tag)
    return spec if spec and tag in (spec.ids["ollama"], *_OLLAMA_DEFAULT_TAGS) else None


def parse_variant(name: str, custom: Mapping[str, CustomVariant] | None = None) -> Variant:
    """Parse a name: "e4b+think" is backend ollama, model gemma4:e4b, thinking on. `custom`: names of the settings.

    Raises ValueError, with the known names, for an empty name and for one that no backend can serve.
    """
    label = name.strip()
    base = label.removesuffix(_THINK)
    think = base != label
    if custom and base in custom:
        return _custom_variant(label, custom[base], think)
    backend, model = _split(base)
    if backend in _MODELLESS:
        if think and backend == "extractive":
            raise ValueError(f"{name!r}: extractive has no model that can think; {known_names()}")
        return Variant(backend + _THINK * think, backend, think=think)
    spec = family().get(model.casefold()) or member_of(Path(model).name if backend == "llamacpp" else model)
    _check_model(name, backend, model, spec)
    if spec and model.casefold() in family():
        model = spec.ids[backend]
    return Variant(label, backend, model, think, spec, spec.context if spec else None)


def with_thinking(name: str, think: str | None) -> str:
    """Return the variant's name with thinking "on" or "off"; unchanged for None."""
    base = name.strip().removesuffix(_THINK)
    return name if think is None or base == "extractive" else base + _THINK * (think == "on")


def _split(base: str) -> tuple[Backend, str]:
    """ "gemini:31b" -> ("gemini", "31b"); a name without a backend is an Ollama tag."""
    for backend in _MODELLESS:
        if base.casefold() == backend:
            return backend, ""
    for backend in _PREFIXES:
        if base.startswith(f"{backend}:"):
            return backend, base.removeprefix(f"{backend}:").strip()
    return "ollama", base


def _check_model(name: str, backend: Backend, model: str, spec: VariantSpec | None) -> None:
    """Raise ValueError where the backend cannot serve such a model."""
    if not model:
        raise ValueError(f"a variant needs a name, not {name!r}; {known_names()}")
    if backend == "gemini" and spec and "gemini" not in spec.ids:
        served = " and ".join(s.name for s in family().values() if "gemini" in s.ids)
        raise ValueError(f"{name!r}: of Gemma 4, the Gemini API serves {served} only; {known_names()}")
    if backend == "llamacpp" and not model.casefold().endswith(".gguf"):
        raise ValueError(f"{name!r}: llamacpp needs the path of a .gguf file; {known_names()}")
    if backend == "ollama" and re.search(r"[\s+]", model):
        raise ValueError(f"{name!r}: an Ollama tag has no space and no +; {known_names()}")


def _custom_variant(label: str, custom: CustomVariant, think: bool) -> Variant:
    chosen = parse_variant(custom.tag)
    spec = family()[custom.base]
    return Variant(label, chosen.backend, chosen.model, think or chosen.think, spec, custom.context or spec.context)


def check_custom(name: str, custom: CustomVariant) -> None:
    """Check an entry of the settings. Raises SettingsError with the fix."""
    if custom.base not in family():
        raise SettingsError(f"variants.{name}: unknown base {custom.base!r}", f"known: {', '.join(family())}")
    if _split(name) != ("ollama", name) or name.casefold() in family() or not name or name.endswith(_THINK):
        raise SettingsError(f"variants.{name}: this name has a meaning already", "choose another, e.g. my-e4b")
    try:
        chosen = parse_variant(custom.tag)
    except ValueError as error:
        raise SettingsError(f"variants.{name}: {error}") from error
    if chosen.backend in _MODELLESS:
        raise SettingsError(f"variants.{name}: {custom.tag!r} is not a model", "give an Ollama tag, or BACKEND:NAME")
    if custom.context is not None and custom.context < 1:
        raise SettingsError(f"variants.{name}: a context of {custom.context} tokens", "give 1 or more, or leave it out")
