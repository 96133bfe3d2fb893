"""The result of an evaluation, as a tree of values: run, variants, tiers and languages, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.metrics.bleu import Bleu
from eval.metrics.selective import Point
from eval.results.comparisons import MetricComparison
from eval.results.metric_value import MetricValue
from eval.types import Example, Prediction

RowValues = Sequence[Mapping[str, float] | None]  # each row's value by metric; None for a failed row


@dataclass(frozen=True, slots=True)
class TokenCost:
    """Mean tokens a question over the n rows that count them; seconds and tokens a second over the same rows.

    Output tokens include those of thinking, which no backend counts apart.
    """

    n: int
    prompt_tokens: float | None
    output_tokens: float | None
    seconds: float | None
    output_per_second: float | None


@dataclass(frozen=True, slots=True)
class GroupReport:
    """All metrics of a language or a tier. `failed` rows are in no metric; seconds are None where no row ran.

    A tier's metrics are means of its languages' metrics; its seconds, cost and curve are over all their rows.
    """

    metrics: Mapping[str, MetricValue]
    n: int
    failed: int
    reason: str
    p50: float | None
    p95: float | None
    cost: TokenCost
    risk_coverage: tuple[Point, ...]

    @property
    def ran(self) -> bool:
        return self.failed < self.n


@dataclass(frozen=True, slots=True)
class VariantReport:
    """One variant. `values` are those of `rows`, by language and row by row."""

    models: Sequence[str]
    thinking: bool
    tiers: Mapping[str, GroupReport]
    languages: Mapping[str, GroupReport]
    bleu: Mapping[str, Bleu | None]
    values: Mapping[str, RowValues]
    rows: Mapping[str, Sequence[tuple[Example, Prediction]]]

    @property
    def ran(self) -> bool:
        return any(report.ran for report in self.languages.values())

    @property
    def groups(self) -> Mapping[str, GroupReport]:
        """Tiers, then languages, as tables list them."""
        return {**self.tiers, **self.languages}


@dataclass(frozen=True, slots=True)
class JudgedClaims:
    """One variant in one language: `n` answers whose claims were judged, `unscored` that could not be.

    `unread`: why the first of those could not; `why`: the reason where no claim was judged at all.
    """

    variant: str
    lang: str
    n: int
    unscored: int
    unread: str
    why: str


@dataclass(frozen=True, slots=True)
class ClaimsReport:
    """Who judged the claims of a run; "" where no judge was asked. `details` is what tiers.json says of each column."""

    judge: str = ""
    model: str = ""
    columns: Sequence[JudgedClaims] = ()
    details: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ExtraCell:
    """A value of another suite as text and, for JSON, as plain values; None where there is no result."""

    text: str
    value: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ExtraColumn:
    """One column of the tier table from another suite. `cells`: by variant, then tier or language."""

    title: str
    cells: Mapping[str, Mapping[str, ExtraCell]]


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run, scored. `run` is its name, `signature` all that its metrics depend on but the variant."""

    run: str
    signature: Mapping[str, Any]
    variants: Mapping[str, VariantReport]
    comparisons: Sequence[MetricComparison]
    claims: ClaimsReport = ClaimsReport()
    columns: Sequence[ExtraColumn] = ()
