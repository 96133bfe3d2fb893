"""Names of who answers: "extractive", a Gemma 4 variant, or any Ollama tag; "+think" turns thinking on."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

EXTRACTIVE = "extractive"
_THINK = "+think"


@dataclass(frozen=True, slots=True)
class Variant:
    """`tag` is None for the extractive answerer. `label` is what reports print."""

    label: str
    tag: str | None
    think: bool = False


@cache
def family() -> dict[str, dict[str, Any]]:
    """The Gemma 4 variants by short name."""
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def parse_variant(name: str) -> Variant:
    """ "e4b+think" -> tag gemma4:e4b, thinking on. Raises ValueError for an empty name."""
    name = name.strip()
    base = name.removesuffix(_THINK)
    think = name.endswith(_THINK)
    if not base:
        raise ValueError(f"a variant needs a name, not {name!r}")
    if base == EXTRACTIVE:
        return Variant(EXTRACTIVE, None)
    known = family().get(base.lower())
    return Variant(name, known["ollama"] if known else base, think)
