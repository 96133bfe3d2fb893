"""From a run's metrics to the charts of its pages: which metrics, on which axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from eval.report.charts import Curve, LadderLine, LadderStep, Spot, cost, ladder, risk_coverage, scatter, waterfall
from eval.report.definitions import anchor
from eval.report.examples import AnalysedRow
from eval.report.failure_analysis import count_losses
from eval.report.svg import legend
from eval.report.view import VariantView, View

LADDERS = (  # key, what the panel says
    ("summary", "summary (higher is better)"),
    ("contains", "accuracy (higher is better)"),
    ("hallucination:near_miss", "hallucination, near miss (lower is better)"),
    ("hallucination:article_removed", "hallucination, article removed (lower is better)"),
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing with the words above it."""

    title: str
    drawing: Markup


def ladders(view: View) -> list[Panel]:
    """English to the last tier, one panel a metric."""
    steps = [LadderStep(p.code, p.name, p.tier) for p in view.packs]
    return [Panel(t, ladder(f"ladder-{anchor(key)}", t, steps, _lines(view, key))) for key, t in LADDERS if view.ran]


def _lines(view: View, key: str) -> list[LadderLine]:
    return [LadderLine(v.label, v.index, tuple(v.metric(p.code, key) for p in view.packs)) for v in view.ran]


def retrieval_against_answers(view: View) -> list[Panel]:
    """One panel a variant, one point a language."""
    axes = ("recall@5", "accuracy (contains)")
    return [
        Panel(v.label, scatter(f"retrieval-{v.index}", v.label, spots, axes))
        for v in view.ran
        if (spots := _retrieval_spots(view, v))
    ]


def _retrieval_spots(view: View, variant: VariantView) -> list[Spot]:
    found = [(p.code, variant.metric(p.code, "recall@5"), variant.metric(p.code, "contains")) for p in view.packs]
    return [
        Spot(code, variant.index, x.value, y) for code, x, y in found if x.value is not None and y.value is not None
    ]


def cost_against_quality(view: View) -> Markup:
    """One point a variant and tier, where there is a summary."""
    spots = [
        Spot(f"{v.label} {tier}", v.index, report.p50, v.metric(tier, "summary"))
        for v in view.ran
        for tier in view.tiers
        if (report := v.report(tier)) and report.p50 is not None and v.metric(tier, "summary").value is not None
    ]
    axes = ("median seconds a question", "summary")
    return cost("cost", "Cost against quality", spots, axes) if spots else Markup("")


def tier_curves(view: View) -> list[Panel]:
    """Risk against coverage, one panel a variant, one curve a tier; the legend is `tier_legend`."""
    return [
        Panel(v.label, risk_coverage(f"risk-{v.index}", v.label, curves))
        for v in view.ran
        if (curves := _curves([(tier, i, v, tier) for i, tier in enumerate(view.tiers)]))
    ]


def tier_legend(view: View) -> Markup:
    return legend(dict(enumerate(view.tiers)))


def language_curves(view: View, lang: str) -> Markup:
    """Risk against coverage in one language, one curve a variant that states a confidence."""
    curves = _curves([(v.label, v.index, v, lang) for v in view.ran])
    return risk_coverage("risk", "Risk against coverage", curves) if curves else Markup("")


def _curves(wanted: Sequence[tuple[str, int, VariantView, str]]) -> list[Curve]:
    reports = [(label, index, variant.report(group)) for label, index, variant, group in wanted]
    return [Curve(label, index, r.risk_coverage) for label, index, r in reports if r and r.risk_coverage]


def variant_legend(view: View) -> Markup:
    return legend({v.index: v.label for v in view.ran})


def draw_losses(variant: VariantView, rows: Sequence[AnalysedRow]) -> Markup:
    """Draw the waterfall of one language's answerable questions."""
    steps = count_losses(r.stage for r in rows if r.example.answerable)
    total = sum(count for _, _, count in steps)
    title = f"{variant.label}: where answerable questions are lost"
    return waterfall(f"lost-{variant.index}", title, total, steps) if total else Markup("")
