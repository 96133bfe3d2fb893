"""What the pages show of a run, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.results.groups import by_tier
from eval.results.metric_value import NO_VALUE, MetricValue
from eval.results.run_report import ClaimsReport, GroupReport, RunReport, VariantReport
from mlrag.languages import Language, language

STAND_IN = "stand-in"  # the mark of a fake server in a model's name


@dataclass(frozen=True, slots=True)
class VariantView:
    """One variant of a run. `index` is its number in every legend."""

    name: str
    index: int
    result: VariantReport

    @property
    def models(self) -> Sequence[str]:
        return self.result.models

    @property
    def stand_in(self) -> bool:
        """Whether a fake server answered, not a model: its metrics say nothing of any model."""
        return any(STAND_IN in model for model in self.models)

    @property
    def label(self) -> str:
        return f"{self.name} (stand-in)" if self.stand_in else self.name

    @property
    def reason(self) -> str:
        """Why it did not run at all; "" where it ran anywhere."""
        if self.result.ran:
            return ""
        return next((r.reason for r in self.result.languages.values() if r.reason), "nothing was asked")

    @property
    def failed(self) -> int:
        return sum(r.failed for r in self.result.languages.values())

    def report(self, group: str) -> GroupReport | None:
        """Return the report of a tier or language; None where it did not run there."""
        report = self.result.groups.get(group)
        return report if report and report.ran else None

    def metric(self, group: str, key: str) -> MetricValue:
        report = self.report(group)
        return report.metrics.get(key, NO_VALUE) if report else NO_VALUE


@dataclass(frozen=True, slots=True)
class View:
    """One run. `packs` go from English to the last tier. `claims`: who judged them."""

    name: str
    signature: Mapping[str, Any]
    packs: tuple[Language, ...]
    variants: tuple[VariantView, ...]
    claims: ClaimsReport

    @property
    def data(self) -> str:
        return str(self.signature["data"])

    @property
    def seed(self) -> int:
        return int(self.signature.get("seed", 0))

    @property
    def ran(self) -> tuple[VariantView, ...]:
        return tuple(v for v in self.variants if not v.reason)

    @property
    def tiers(self) -> Mapping[str, list[Language]]:
        tiers = by_tier(pack.code for pack in self.packs)
        return {tier: [language(code) for code in codes] for tier, codes in tiers.items()}


def make_view(report: RunReport) -> View:
    """Return the run as the pages show it."""
    packs = sorted((language(code) for code in report.signature["langs"]), key=ladder_order)
    variants = [VariantView(name, index, v) for index, (name, v) in enumerate(report.variants.items())]
    return View(report.run, report.signature, tuple(packs), tuple(variants), report.claims)


def ladder_order(pack: Language) -> tuple[int, bool, str]:
    """Return a sort key: English first, then the tiers to the last."""
    return pack.tier, pack.code != "en", pack.code
