"""Requirements: languages with weights, constraints, and the hardware to plan for."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from eval.datasets.own import read_jsonl
from mlrag.documents.readers import read_documents
from mlrag.errors import CorpusFormatError
from mlrag.languages import language, languages
from mlrag.models.hardware import Memory, count_physical_cores
from mlrag.text.detect import detect

Locality = Literal["device", "own servers", "any"]
CostBasis = Literal["seconds", "memory", "money"]
LOCALITIES: tuple[Locality, ...] = ("device", "own servers", "any")
COSTS: tuple[CostBasis, ...] = ("seconds", "memory", "money")


@dataclass(frozen=True, slots=True)
class TargetHardware:
    """The machine that models would run on. GB of 10^9 bytes; None: unknown. `source` is "probed" or "given"."""

    ram: float | None
    vram: float
    disk: float | None
    cores: int
    source: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the user asks for.

    Args:
        weights: by language; they sum to 1.
        context: tokens.
        concurrency: questions at once.
        p95: seconds; None: no limit.
        budget: dollars for 1,000 questions; None: no limit.
        reserve: GB of RAM left to everything else.
        margin: proportion of questions that may be lost for a cheaper variant.
        answerable: proportion of questions that the documents answer.
        tools_floor: percent of the tool benchmark that counts as reliable.
    """

    weights: Mapping[str, float]
    context: int = 8192
    concurrency: int = 1
    locality: Locality = "own servers"
    p95: float | None = None
    budget: float | None = None
    audio: bool = False
    images: bool = False
    tools: bool = False
    finetune: bool = False
    cost: CostBasis | None = None
    reserve: float = 2.0
    margin: float = 0.02
    answerable: float = 0.5
    tools_floor: float = 60.0


@cache
def presets() -> dict[str, Any]:
    """Read scenarios.toml: scenario, regime, offer, dimension."""
    return tomllib.loads(Path(__file__).with_name("scenarios.toml").read_text(encoding="utf-8"))


def find_preset(kind: str, name: str) -> dict[str, Any]:
    """Return a scenario or regime. Raises ValueError for an unknown name."""
    found = presets()[kind]
    if name not in found:
        raise ValueError(f"there is no {kind} {name!r}; known: {', '.join(found)}")
    return dict(found[name])


def build_requirements(
    weights: Mapping[str, float], scenario: str | None, regime: str | None, given: Mapping[str, Any]
) -> Requirements:
    """Apply the defaults, the scenario, the regime's locality, then what is `given` (not None). Raises ValueError."""
    names = {f.name for f in fields(Requirements)}
    need = Requirements(weights)
    for layer in (
        find_preset("scenario", scenario) if scenario else {},
        find_preset("regime", regime) if regime else {},
        given,
    ):
        need = replace(need, **{k: v for k, v in layer.items() if k in names - {"weights"} and v is not None})
    if need.locality not in LOCALITIES or need.cost not in (None, *COSTS):
        raise ValueError(f"locality is one of {', '.join(LOCALITIES)}, cost one of {', '.join(COSTS)}")
    if not 0 < need.margin <= 1 or not 0 < need.answerable <= 1:
        raise ValueError(f"margin lies in (0, 100] points and answerable in (0, 1], not {100 * need.margin:g} and "
                         f"{need.answerable:g}")  # fmt: skip
    return need


def plan_hardware(memory: Memory, folder: Path, given: Mapping[str, float | None]) -> TargetHardware:
    """Return the probed hardware, replaced by what is `given` (ram, vram, disk)."""
    existing = next(p for p in (folder, *folder.absolute().parents) if p.is_dir())
    probed = TargetHardware(
        memory.ram_total, memory.vram_total, shutil.disk_usage(existing).free / 1e9, count_physical_cores(), "probed"
    )
    chosen = {k: v for k, v in given.items() if v is not None}
    return replace(probed, **chosen, source="given") if chosen else probed  # type: ignore[arg-type]


def parse_weights(text: str) -> dict[str, float]:
    """ "ta=3,si" -> {"ta": 0.75, "si": 0.25}. Raises ValueError, UnknownLanguageError."""
    found: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        code, _, weight = part.partition("=")
        try:
            found[language(code.strip()).code] = float(weight or 1)
        except ValueError:
            raise ValueError(f"{part!r} is no weight; for example: --langs ta=3,si=1") from None
    return normalize_weights(found)


def normalize_weights(found: Mapping[str, float]) -> dict[str, float]:
    """Scale weights to a sum of 1. Raises ValueError for none, or one that is not above 0."""
    total = sum(found.values())
    if not found or min(found.values()) <= 0:
        raise ValueError("weights of languages are above 0; for example: --langs ta=3,si=1")
    return {code: value / total for code, value in found.items()}


def weights_of_log(path: Path) -> dict[str, float]:
    """Weigh languages by a log of questions: one per line, or JSON lines with a "question"."""
    if path.suffix == ".jsonl":
        texts: Iterable[str] = (str(row.get("question") or row.get("q") or "") for row in read_jsonl(path))
    else:
        texts = path.read_text(encoding="utf-8").splitlines()
    return _count_weights((detect(text), 1.0) for text in texts if text.strip())


def weights_of_corpus(path: Path) -> dict[str, float]:
    """Weigh languages by the characters of a folder of documents."""
    return _count_weights((d.lang, float(len(d.text))) for d in read_documents([path]))


def _count_weights(found: Iterable[tuple[str, float]]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for code, amount in found:
        if code in languages():
            counts[code] += amount  # type: ignore[assignment]
    if not counts:
        raise CorpusFormatError("no text in an installed language was found", "give --langs ta=3,si=1 instead")
    return normalize_weights(counts)
