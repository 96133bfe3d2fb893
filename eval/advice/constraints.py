"""Check whether a candidate can run; if not, say why and what is the smallest change that would admit it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eval.advice.need import Requirements, TargetHardware, presets
from mlrag.models.memory_fit import memory_gb
from mlrag.models.variants import CustomVariant, Quantisation, Variant, VariantSpec, family, parse_variant

Location = Literal["here", "openrouter", "gemini"]
QUANTISATIONS: tuple[Quantisation, ...] = ("q4_0", "q4_k_m", "sfp8", "bf16")
_GIB = 2**30 / 1e9
_OVERHEAD = 1.2  # of Google's memory figures, docs/variants.md
_NAMED = ("q4_k_m", "q4_0", "bf16")
NO_CHANGE = "nothing about it"
TOOLS = "Tau2, mean of 3"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant at a backend.

    Args:
        name: what `--variant` takes.
        key: equal for other names of the same variant.
        quantisation: None where it runs remotely or the size is unknown.
        own: a variant of the user's with a base.
    """

    name: str
    key: tuple[str, str, bool]
    spec: VariantSpec | None
    quantisation: Quantisation | None
    location: Location
    think: bool
    own: bool = False

    @property
    def modelless(self) -> bool:
        return self.key[0] == "extractive"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a candidate is excluded, and the smallest change of requirements or hardware that would admit it."""

    reason: str
    change: str


@dataclass(frozen=True, slots=True)
class Feasibility:
    """The result of a check. `memory` (weights, caches, runtime) and `disk` in GB; None where unknown."""

    candidate: Candidate
    memory: float | None
    disk: float | None
    dollars: tuple[float, float] | None
    obstacles: tuple[Obstacle, ...]
    notes: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        return not self.obstacles


def parse_candidate(name: str, own: Mapping[str, CustomVariant] | None = None) -> Candidate:
    """Parse a name as `--variant` takes it. Raises ValueError as `parse_variant` does."""
    chosen = parse_variant(name, own)
    custom = bool(own) and name.removesuffix("+think") in (own or {})
    location = _find_location(chosen)
    here = location == "here" and chosen.spec is not None
    size = _quantisation(chosen, custom) if here else None
    key = (chosen.backend, chosen.model, chosen.think)
    return Candidate(chosen.label, key, chosen.spec, size, location, chosen.think, custom)


def _find_location(chosen: Variant) -> Location:
    if chosen.backend == "gemini":
        return "gemini"
    routed = chosen.spec.ids.get("openrouter") if chosen.spec else None
    return "openrouter" if chosen.backend == "openai" and chosen.model.removesuffix(":free") == routed else "here"


def _quantisation(chosen: Variant, custom: bool) -> Quantisation | None:
    """Read it from the name; Ollama's own tags are q4_k_m, a server's full weights bf16, a fine-tune as its base."""
    named = next((q for q in QUANTISATIONS if re.search(rf"{q}(?![a-z0-9])", chosen.model.casefold())), None)
    if named or not chosen.spec:
        return named
    if chosen.backend == "openai":
        return "bf16"
    plain = chosen.model in (chosen.spec.ids["ollama"], "gemma4", "gemma4:latest")
    return "q4_k_m" if custom or (chosen.backend == "ollama" and plain) else None


def find_variant_name(spec: VariantSpec, quantisation: Quantisation) -> str | None:
    """Return the variant name of a family member in this quantisation; None where no backend has it."""
    names = {
        "q4_k_m": spec.name,
        "q4_0": f"llamacpp:gemma-4-{spec.name}-it-q4_0.gguf",
        "bf16": f"openai:{spec.name}",
    }
    return names.get(quantisation)


def list_candidates() -> list[Candidate]:
    """Return extractive, and every family member at every backend, with thinking off and on."""
    names = ["extractive"]
    for spec in family().values():
        here = [n for q in _NAMED if (n := find_variant_name(spec, q))]  # type: ignore[arg-type]
        remote = [f"gemini:{spec.name}"] if "gemini" in spec.ids else []
        routed = [f"openai:{spec.ids['openrouter']}"] if "openrouter" in spec.ids else []
        names += [n + t for n in (*here, *remote, *routed) for t in ("", "+think")]
    return [parse_candidate(name) for name in names]


def disk_gb(spec: VariantSpec, quantisation: Quantisation) -> float:
    """Return GB on disk: Ollama's file as published, others from Google's memory sizes without 20 % overhead."""
    published = spec.memory[quantisation]
    return published if quantisation == "q4_k_m" else published * _GIB / _OVERHEAD


def find_available_memory(need: Requirements, machine: TargetHardware) -> tuple[float | None, str]:
    """Return GB for one model and where: GPU memory, or RAM less the reserve, whichever is more; None: unknown."""
    ram = None if machine.ram is None else max(0.0, machine.ram - need.reserve)
    if machine.vram and machine.vram >= (ram or 0.0):
        return machine.vram, "GPU memory"
    return ram, "RAM" + (f" ({machine.ram:g} less {need.reserve:g} for everything else)" if ram else "")


def check_candidate(
    one: Candidate, need: Requirements, machine: TargetHardware, p95: float | None = None, dollars: float | None = None
) -> Feasibility:
    """Check a candidate against every constraint.

    Args:
        p95: its measured seconds, if any.
        dollars: its price of 1,000 questions, if known.
    """
    spec, size = one.spec, one.quantisation
    memory = memory_gb(spec, size, need.context, need.concurrency) if spec and size else None
    disk = disk_gb(spec, size) if spec and size else None
    offer = presets()["offer"].get(one.location)
    price = tuple(offer["dollars"]) if offer and "dollars" in offer else None
    obstacles = [
        _where(one, need),
        _senses(one, need),
        _tools(one, need),
        _context(one, need),
        _memory(one, need, machine, memory),
        _disk(disk, machine),
        _slow(p95, need),
        _dear(dollars, need),
    ]
    notes = _notes(one, need, machine, memory, p95, dollars)
    return Feasibility(
        one, 0.0 if one.modelless else memory, disk, price, tuple(o for o in obstacles if o), tuple(notes)
    )


def _where(one: Candidate, need: Requirements) -> Obstacle | None:
    if one.location == "here":
        return None
    title = presets()["offer"][one.location]["title"]
    if need.locality != "any":
        return Obstacle(f"questions and passages would go to {title}; asked for: {need.locality}", "--locality any")
    if need.finetune:
        return Obstacle(f"{title} serves Google's weights, not a fine-tune", "run the fine-tune on a machine of yours")
    return None


def _senses(one: Candidate, need: Requirements) -> Obstacle | None:
    wanted = [sense for sense, asked in (("audio", need.audio), ("image", need.images)) if asked]
    lacking = [s for s in wanted if not one.spec or s not in one.spec.modalities]
    if not lacking:
        return None
    able = [s.name for s in family().values() if set(wanted) <= set(s.modalities)]
    return Obstacle(f"it takes no {' and no '.join(lacking)} (model card)", f"{NO_CHANGE}; {', '.join(able)} can")


def _tools(one: Candidate, need: Requirements) -> Obstacle | None:
    if not need.tools:
        return None
    if one.spec is None:
        return Obstacle("no tool use is known of it", "leave --tools out")
    score = one.spec.score(TOOLS)
    if score >= need.tools_floor:
        return None
    return Obstacle(f"{TOOLS} {score} is below {need.tools_floor:g} (published)", f"--tools-floor {score:g}")


def _context(one: Candidate, need: Requirements) -> Obstacle | None:
    if one.spec is None or need.context <= one.spec.context:
        return None
    return Obstacle(f"its longest context is {one.spec.context} tokens", f"--context {one.spec.context}")


def _memory(one: Candidate, need: Requirements, machine: TargetHardware, memory: float | None) -> Obstacle | None:
    if one.location != "here" or one.modelless:
        return None
    available, kind = find_available_memory(need, machine)
    if memory is None:
        return Obstacle("its memory use is unknown", "name its base under [variants.NAME] in mlrag.toml")
    if available is None or memory <= available:
        return None
    short = memory - available
    return Obstacle(
        f"it needs {memory:.1f} GB and has {available:.1f} of {kind}", _find_smaller(one, need, available, short)
    )


def _find_smaller(one: Candidate, need: Requirements, available: float, short: float) -> str:
    """Return the first change that suffices: fewer requests at once, a shorter context, fewer bits, more memory."""
    assert one.spec and one.quantisation
    spec, size = one.spec, one.quantisation
    for parallel in range(need.concurrency - 1, 0, -1):
        if memory_gb(spec, size, need.context, parallel) <= available:
            return f"--concurrency {parallel}"
    for context in (c for c in (2**n for n in range(17, 10, -1)) if c < need.context):
        if memory_gb(spec, size, context, need.concurrency) <= available:
            return f"--context {context}"
    for fewer in QUANTISATIONS:
        needed = memory_gb(spec, fewer, need.context, need.concurrency)
        if needed <= available and spec.memory[fewer] < spec.memory[size]:
            return f"{fewer} weights ({needed:.1f} GB), or {short:.1f} GB more"
    return f"{short:.1f} GB more"


def _disk(disk: float | None, machine: TargetHardware) -> Obstacle | None:
    if disk is None or machine.disk is None or disk <= machine.disk:
        return None
    lacking = disk - machine.disk
    return Obstacle(f"its file takes {disk:.1f} GB, and {machine.disk:.1f} are free", f"free {lacking:.1f} GB of disk")


def _slow(p95: float | None, need: Requirements) -> Obstacle | None:
    if p95 is None or need.p95 is None or p95 <= need.p95:
        return None
    return Obstacle(f"measured p95 is {p95:.2f} s, asked for: {need.p95:g}", f"--p95 {p95:.2g}, or a faster machine")


def _dear(dollars: float | None, need: Requirements) -> Obstacle | None:
    if dollars is None or need.budget is None or dollars <= need.budget:
        return None
    return Obstacle(
        f"1,000 questions cost {dollars:.2f} $ at most, asked for: {need.budget:g}", f"--budget {dollars:.2f}"
    )


def _notes(
    one: Candidate,
    need: Requirements,
    machine: TargetHardware,
    memory: float | None,
    p95: float | None,
    dollars: float | None,
) -> list[str]:
    """Return what could not be checked, and other remarks."""
    notes = []
    if need.p95 is not None and p95 is None and not one.modelless:
        notes.append("its seconds are not measured: the p95 that was asked for is not checked")
    if memory is not None and 0 < machine.vram < memory:
        notes.append(f"it fits into RAM and not into {machine.vram:g} GB of GPU memory: expect it to be slow")
    if one.key[0] == "llamacpp" and not Path(one.key[1]).is_file():
        notes.append("the name stands for the path of a GGUF file of those weights: put yours in its place")
    if need.budget is not None and one.location != "here" and dollars is None:
        notes.append("its price is not known: the budget is not checked")
    if need.audio or need.images:
        notes.append("mlrag itself hands no audio and no images to a model")
    if need.finetune and one.spec and one.location == "here":
        notes.append(f"its weights in 16 bits, where a fine-tune begins: {disk_gb(one.spec, 'bf16'):.1f} GB")
    return notes
