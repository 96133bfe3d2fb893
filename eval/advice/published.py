"""Published scores of family members: shown next to what was measured, never added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.advice.constraints import NO_CHANGE, Candidate, Feasibility
from mlrag.models.variants import PublishedScore, VariantSpec, family

RANKED_BY = "MMMLU"
COVERED: Mapping[str, frozenset[str]] = {  # languages of ours in it
    RANKED_BY: frozenset({"ar", "bn", "de", "en", "es", "fr", "hi", "ja", "ko", "pt", "sw", "zh"}),
    "SinhalaMMLU shared task (macro accuracy)": frozenset({"si"}),
}
_PREFERRED = ("q4_k_m", "q4_0", "bf16", "sfp8")  # Ollama's tag first: one command


def find_scores(
    spec: VariantSpec | None, benchmark: str, think: bool
) -> tuple[PublishedScore | None, PublishedScore | None]:
    """Return the score with this thinking setting, and with the other; one that names neither counts for both."""
    scores = [s for s in spec.scores if s.benchmark == benchmark] if spec else []
    other = "thinking off" if think else "thinking on"
    fitting = (s for s in scores if other not in s.conditions)
    return next(fitting, None), next((s for s in scores if other in s.conditions), None)


@dataclass(frozen=True, slots=True)
class PublishedRanking:
    """The best published variant and the next; `uncovered`: wanted languages that the benchmark lacks."""

    chosen: str | None
    runner_up: str | None
    uncovered: tuple[str, ...]
    scores: str


def rank_published(fits: Sequence[Feasibility], langs: Sequence[str]) -> PublishedRanking:
    """Rank the feasible members by published score, each at the backend with the least effort."""
    best: dict[str, Candidate] = {}
    for one in sorted((f.candidate for f in fits if f.feasible and f.candidate.spec), key=_rank_effort):
        if one.think and one.spec and not one.own:
            best.setdefault(one.spec.name, one)
    order = sorted(best, key=lambda name: -family()[name].score(RANKED_BY))
    uncovered = tuple(lang for lang in langs if lang not in COVERED[RANKED_BY])
    names = [best[name].name for name in order]
    if not names:
        fallback = next((f.candidate.name for f in fits if f.feasible and f.candidate.modelless), None)
        return PublishedRanking(fallback, None, uncovered, "no model fits; extractive needs none")
    scores = ", ".join(f"{name} {family()[name].score(RANKED_BY)}" for name in order)
    return PublishedRanking(names[0], names[1] if names[1:] else None, uncovered, f"{RANKED_BY}, thinking on: {scores}")


def list_excluded_members(fits: Sequence[Feasibility], chosen: str | None) -> list[str]:
    """Return members published above the chosen one that are not feasible, each with the smallest change."""
    with_spec = [f for f in fits if f.candidate.spec]
    scores = {f.candidate.name: f.candidate.spec.score(RANKED_BY) for f in with_spec if f.candidate.spec}
    feasible = {f.candidate.spec.name for f in with_spec if f.feasible and f.candidate.spec}
    changes: dict[str, str] = {}
    for f in sorted((f for f in with_spec if len(f.obstacles) == 1), key=lambda f: f.memory or 0.0):
        name, spec, change = f.candidate.name, f.candidate.spec, f.obstacles[0].change
        if spec is None or spec.name in feasible or f.candidate.own or change.startswith(NO_CHANGE):
            continue
        if scores[name] > scores.get(chosen or "", 0.0):
            changes.setdefault(spec.name, f"{RANKED_BY} {scores[name]} ({name}) would take: {change}")
    return list(changes.values())


def _rank_effort(one: Candidate) -> tuple[int, str]:
    """Sort key: Ollama's download first, other quantisations, then remote services."""
    local = _PREFERRED.index(one.quantisation) if one.quantisation in _PREFERRED else len(_PREFERRED)
    return local if one.location == "here" else len(_PREFERRED) + (one.location == "openrouter"), one.name


def list_language_scores(lang: str) -> list[str]:
    """Describe the published scores of benchmarks in this language alone."""
    benchmarks = {benchmark for benchmark, langs in COVERED.items() if langs == {lang}}
    lines = []
    for spec in family().values():
        for s in spec.scores:
            if s.benchmark in benchmarks:
                lines.append(f"{spec.name} {s.value} on {s.benchmark} ({s.conditions}; {s.source}, {s.date})")
    return lines
