"""From a plan and the predictions of its variants to a report. Pure: the same rows give the same report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from eval.metrics.bleu import Bleu, corpus_bleu
from eval.results.comparisons import compare_variants
from eval.results.cross_lingual import CrossLingualRow, score_cross_lingual
from eval.results.groups import by_tier
from eval.results.metric_value import MetricValue
from eval.results.run_report import GroupReport, RunReport, VariantReport
from eval.results.scores import Rows, group_by_metric, score_rows, summarise, summarise_tier
from eval.runner.plan import RunPlan, base_variant, is_closed_book
from eval.types import Example, Prediction
from mlrag.languages import language
from mlrag.models.variants import CustomVariant, parse_variant

ByVariant = Mapping[str, Mapping[str, Sequence[Prediction]]]
MoreMetrics = Callable[[str, Sequence[str]], Mapping[str, MetricValue]]  # of a variant over some languages


def score(plan: RunPlan, predictions: ByVariant, cross_lingual: Sequence[CrossLingualRow] = ()) -> RunReport:
    """Score every variant by tier and language, and compare the variants that ran.

    `cross_lingual`: rows of English questions to other languages' documents; they are no metric of closed books.
    """
    variants = {name: _score_variant(plan, name, by_language) for name, by_language in predictions.items()}
    ran = {name: report.values for name, report in variants.items() if report.ran}
    compared = {}
    for name, values in ran.items():
        examples = plan.examples_for(name)
        compared[name] = {lang: (examples[lang], values[lang]) for lang in values}
    report = RunReport(plan.name, plan.signature, variants, compare_variants(compared))

    def measure_cross_lingual(variant: str, langs: Sequence[str]) -> Mapping[str, MetricValue]:
        return {} if is_closed_book(variant) else score_cross_lingual(cross_lingual, langs)

    return add_metrics(report, measure_cross_lingual)


def _score_variant(plan: RunPlan, variant: str, predictions: Mapping[str, Sequence[Prediction]]) -> VariantReport:
    """Score one variant. A language or tier in which nothing ran says why in its report."""
    examples = plan.examples_for(variant)
    values, bleu = {}, {}
    for lang, rows in predictions.items():  # BLEU at once, while the texts' normal forms are cached
        values[lang] = score_rows(examples[lang], rows, language(lang))
        bleu[lang] = _bleu(examples[lang], rows, lang)
    by_metric = {lang: group_by_metric(examples[lang], scored) for lang, scored in values.items()}
    custom = {name: CustomVariant(**fields) for name, fields in plan.signature["own_variants"].items()}
    models = {p.model for rows in predictions.values() for p in rows if p.model}
    pairs = {lang: list(zip(examples[lang], rows, strict=True)) for lang, rows in predictions.items()}
    return VariantReport(
        models=sorted(models),
        thinking=parse_variant(base_variant(variant), custom).think,
        tiers=_tiers(by_metric, predictions),
        languages={lang: summarise(by_metric[lang], rows) for lang, rows in predictions.items()},
        bleu=bleu,
        values=values,
        rows=pairs,
    )


def _tiers(by_metric: Mapping[str, Rows], predictions: Mapping[str, Sequence[Prediction]]) -> dict[str, GroupReport]:
    reports = {}
    for tier, langs in by_tier(by_metric).items():
        pooled = [p for lang in langs for p in predictions[lang]]
        reports[tier] = summarise_tier({lang: by_metric[lang] for lang in langs}, pooled)
    return reports


def _bleu(examples: Sequence[Example], predictions: Sequence[Prediction], lang: str) -> Bleu | None:
    answerable = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.answers and not p.error]
    answers = ["" if p.abstained else p.text for _, p in answerable]
    return corpus_bleu(answers, [e.answers for e, _ in answerable], language(lang))


def add_metrics(report: RunReport, measure: MoreMetrics) -> RunReport:
    """Return the report with more metrics in every language and tier: `measure` of a variant and its languages."""
    variants = {name: _add_to_variant(name, variant, measure) for name, variant in report.variants.items()}
    return replace(report, variants=variants)


def _add_to_variant(name: str, variant: VariantReport, measure: MoreMetrics) -> VariantReport:
    langs = by_tier(variant.languages)
    return replace(
        variant,
        languages={lang: _add(group, measure(name, [lang])) for lang, group in variant.languages.items()},
        tiers={tier: _add(group, measure(name, langs[tier])) for tier, group in variant.tiers.items()},
    )


def _add(group: GroupReport, more: Mapping[str, MetricValue]) -> GroupReport:
    return replace(group, metrics={**group.metrics, **more})
