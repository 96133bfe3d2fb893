"""Measure the gain of a fine-tune over its base: the same questions, paired, by language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eval.advice.constraints import parse_candidate
from eval.advice.evidence import CandidateResults, RunEvidence
from eval.report.tables import format_estimate
from eval.statistics import Difference, holm, paired_difference
from mlrag.errors import CorpusFormatError
from mlrag.models.variants import CustomVariant, parse_variant


@dataclass(frozen=True, slots=True)
class Gain:
    """Tuned minus base in one language, as proportions of right replies; `p` after Holm over the languages."""

    lang: str
    difference: Difference
    p: float


def measure_gains(evidence: RunEvidence, tuned: str, own: Mapping[str, CustomVariant]) -> tuple[str, list[Gain]]:
    """Return the base's name and the gains. Raises CorpusFormatError where one of the two has no rows to pair."""
    first = _find(evidence, parse_candidate(tuned, own).key, tuned)
    chosen = parse_variant(tuned, own)
    if chosen.spec is None:
        raise CorpusFormatError(f"{tuned!r} names no base", "give it one under [variants.NAME] in mlrag.toml")
    base = chosen.spec.name + "+think" * chosen.think
    second = _find(evidence, parse_candidate(base).key, base)
    found = {lang: _difference(first, second, lang) for lang in first.outcomes if second.outcomes.get(lang)}
    adjusted = holm([d.p for d in found.values()])
    return base, [Gain(lang, d, p) for (lang, d), p in zip(found.items(), adjusted, strict=True)]


def _find(evidence: RunEvidence, key: tuple[str, str, bool], name: str) -> CandidateResults:
    for measured in evidence.measured.values():
        if measured.candidate.key == key:
            return measured
    there = ", ".join(evidence.measured) or "nothing"
    raise CorpusFormatError(
        f"{name} was not measured; the runs have {there}", f"python -m eval.tiers --variants {name}"
    )


def _difference(first: CandidateResults, second: CandidateResults, lang: str) -> Difference:
    a, b = first.outcomes[lang], second.outcomes[lang]
    shared = [i for i in a if i in b]
    return paired_difference([a[i].value - b[i].value for i in shared], [a[i].cluster for i in shared])


GAIN_HEAD = ("language", "tuned minus base, points [95 %]", "n", "Holm p")


def describe_gains(found: list[Gain]) -> list[list[str]]:
    """Return rows under GAIN_HEAD."""
    return [
        [
            g.lang,
            format_estimate(g.difference.value, g.difference.interval, signed=True),
            str(g.difference.n),
            f"{g.p:.3f}",
        ]
        for g in found
    ]
