"""From a plan and the predictions of its variants to all figures of a report. Pure: the same rows, the same report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.datasets.own import Example
from eval.metrics.bleu import Bleu, corpus_bleu
from eval.results.contests import contests
from eval.results.scores import Report, Rows, by_figure, score_rows, summarise, summarise_tier
from eval.runner.plan import Plan, base_of
from eval.runner.rows import Prediction
from mlrag.languages import language
from mlrag.models.variants import CustomVariant, parse_variant

ByVariant = Mapping[str, Mapping[str, Sequence[Prediction]]]


def evaluate(plan: Plan, predictions: ByVariant) -> dict[str, Any]:
    """Every variant's figures by tier and language, and the variants that ran against each other."""
    variants = {variant: _variant(plan, variant, found) for variant, found in predictions.items()}
    ran = {name: v["values"] for name, v in variants.items() if any(r.failed < r.n for r in v["languages"].values())}
    return {
        "run": plan.name,
        "signature": plan.signature,
        "variants": variants,
        "contests": contests(
            {name: {lang: (plan.asked(name)[lang], v[lang]) for lang in v} for name, v in ran.items()}
        ),
    }


def _variant(plan: Plan, variant: str, predictions: Mapping[str, Sequence[Prediction]]) -> dict[str, Any]:
    """One variant. A language or tier in which nothing ran says why in its report."""
    examples = plan.asked(variant)
    values, bleu = {}, {}
    for lang, found in predictions.items():  # BLEU at once, while the texts' normal forms are remembered
        values[lang] = score_rows(examples[lang], found, language(lang))
        bleu[lang] = _bleu(examples[lang], found, lang)
    rows = {lang: by_figure(examples[lang], found) for lang, found in values.items()}
    own = {name: CustomVariant(**found) for name, found in plan.signature["own_variants"].items()}
    return {
        "models": sorted({p.model for found in predictions.values() for p in found if p.model}),
        "thinking": parse_variant(base_of(variant), own).think,
        "tiers": _tiers(rows, predictions),
        "languages": {lang: summarise(rows[lang], found) for lang, found in predictions.items()},
        "bleu": bleu,
        "values": values,
        "details": {lang: list(zip(examples[lang], found, strict=True)) for lang, found in predictions.items()},
    }


def _tiers(rows: Mapping[str, Rows], predictions: Mapping[str, Sequence[Prediction]]) -> dict[str, Report]:
    langs: dict[str, list[str]] = {}
    for lang in rows:
        langs.setdefault(f"T{language(lang).tier}", []).append(lang)
    return {
        tier: summarise_tier({x: rows[x] for x in there}, [p for x in there for p in predictions[x]])
        for tier, there in sorted(langs.items())
    }


def _bleu(examples: Sequence[Example], predictions: Sequence[Prediction], lang: str) -> Bleu | None:
    asked = [(e, p) for e, p in zip(examples, predictions, strict=True) if e.answers and not p.error]
    said = ["" if p.abstained else p.text for _, p in asked]
    return corpus_bleu(said, [e.answers for e, _ in asked], language(lang))
