"""What others published of a member: shown beside what was measured, never added to it."""

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
    """The score for this thinking setting, and the one for the other; what names neither counts for both."""
    there = [s for s in spec.scores if s.benchmark == benchmark] if spec else []
    other = "thinking off" if think else "thinking on"
    fitting = (s for s in there if other not in s.conditions)
    return next(fitting, None), next((s for s in there if other in s.conditions), None)


@dataclass(frozen=True, slots=True)
class PublishedRanking:
    """The best published, and the one behind it; `silent`: wanted languages that the ranking benchmark lacks."""

    chosen: str | None
    runner_up: str | None
    silent: tuple[str, ...]
    said: str


def rank_published(fits: Sequence[Feasibility], langs: Sequence[str]) -> PublishedRanking:
    """Among what is feasible: the member with the highest published score, in the way with least work."""
    best: dict[str, Candidate] = {}
    for one in sorted((f.candidate for f in fits if f.feasible and f.candidate.spec), key=_effort):
        if one.think and one.spec and not one.own:
            best.setdefault(one.spec.name, one)
    order = sorted(best, key=lambda name: -family()[name].score(RANKED_BY))
    silent = tuple(lang for lang in langs if lang not in COVERED[RANKED_BY])
    names = [best[name].name for name in order]
    if not names:
        fallback = next((f.candidate.name for f in fits if f.feasible and f.candidate.modelless), None)
        return PublishedRanking(fallback, None, silent, "no model fits; extractive needs none")
    scores = ", ".join(f"{name} {family()[name].score(RANKED_BY)}" for name in order)
    return PublishedRanking(names[0], names[1] if names[1:] else None, silent, f"{RANKED_BY}, thinking on: {scores}")


def list_excluded_members(fits: Sequence[Feasibility], chosen: str | None) -> list[str]:
    """Members published above the chosen one that no way admits, each with the least that would."""
    scores = {f.candidate.name: f.candidate.spec.score(RANKED_BY) for f in fits if f.candidate.spec}
    able = {f.candidate.spec.name for f in fits if f.feasible and f.candidate.spec}
    said: dict[str, str] = {}
    for f in sorted((f for f in fits if f.candidate.spec and len(f.obstacles) == 1), key=lambda f: f.memory or 0.0):
        one, spec = f.candidate, f.candidate.spec
        there = not f.obstacles[0].change.startswith(NO_CHANGE)
        if (
            there
            and spec
            and not one.own
            and spec.name not in able
            and scores[one.name] > scores.get(chosen or "", 0.0)
        ):
            change = f.obstacles[0].change
            said.setdefault(spec.name, f"{RANKED_BY} {scores[one.name]} ({one.name}) would take: {change}")
    return list(said.values())


def _effort(one: Candidate) -> tuple[int, str]:
    local = _PREFERRED.index(one.quantisation) if one.quantisation in _PREFERRED else len(_PREFERRED)
    return local if one.place == "here" else len(_PREFERRED) + (one.place == "openrouter"), one.name


def list_language_scores(lang: str) -> list[str]:
    """Published figures that speak of one language, in words; of Sinhala there is one."""
    return [
        f"{spec.name} {score.value} on {score.benchmark} ({score.conditions}; {score.source}, {score.date})"
        for benchmark, langs in COVERED.items()
        if langs == {lang}
        for spec in family().values()
        for score in spec.scores
        if score.benchmark == benchmark
    ]
