"""What the pages show of a run, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.datasets.own import Example
from eval.metrics.bleu import Bleu
from eval.results.scores import NO_FIGURE, Figure, Report
from eval.runner.rows import Prediction
from mlrag.languages import Language

STAND_IN = "stand-in"


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of a run. `index` is its number in every legend; `values` are those of `rows` (`score_rows`)."""

    name: str
    index: int
    models: tuple[str, ...]
    tiers: Mapping[str, Report]
    languages: Mapping[str, Report]
    bleu: Mapping[str, Bleu | None]
    rows: Mapping[str, Sequence[tuple[Example, Prediction]]]
    values: Mapping[str, Sequence[Mapping[str, float] | None]]

    @property
    def stand_in(self) -> bool:
        """A stand-in answered, not a model: its figures say nothing of any model."""
        return any(STAND_IN in model for model in self.models)

    @property
    def label(self) -> str:
        return f"{self.name} (stand-in)" if self.stand_in else self.name

    @property
    def reason(self) -> str:
        """Why it did not run at all; "" where it did anywhere."""
        reports = list(self.languages.values())
        ran = any(r.failed < r.n for r in reports)
        return "" if ran else next((r.reason for r in reports if r.reason), "nothing was asked")

    @property
    def failed(self) -> int:
        return sum(r.failed for r in self.languages.values())

    def report(self, group: str) -> Report | None:
        """Of a tier or language; None where it did not run there."""
        report = self.tiers.get(group) or self.languages.get(group)
        return report if report and report.failed < report.n else None

    def figure(self, group: str, key: str) -> Figure:
        report = self.report(group)
        return report.figures.get(key, NO_FIGURE) if report else NO_FIGURE


@dataclass(frozen=True, slots=True)
class View:
    """One run. `packs` go from English to the last tier. `claims`: who judged them."""

    name: str
    data: str
    seed: int
    signature: Mapping[str, Any]
    packs: tuple[Language, ...]
    variants: tuple[Variant, ...]
    claims: Mapping[str, Any]

    @property
    def ran(self) -> tuple[Variant, ...]:
        return tuple(v for v in self.variants if not v.reason)

    @property
    def tiers(self) -> Mapping[str, list[Language]]:
        found: dict[str, list[Language]] = {}
        for pack in self.packs:
            found.setdefault(f"T{pack.tier}", []).append(pack)
        return found


def ladder_order(pack: Language) -> tuple[int, bool, str]:
    """From English through the tiers to the last."""
    return pack.tier, pack.code != "en", pack.code
