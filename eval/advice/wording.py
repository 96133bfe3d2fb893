"""The advice in words: for the terminal, and the same sentences for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eval.advice.constraints import QUANTISATIONS, Feasibility, find_available_memory
from eval.advice.decide import MIX, Advice, GroupDecision
from eval.advice.published import list_language_scores
from eval.advice.totals import UNITS
from mlrag.languages import language
from mlrag.models.memory_fit import memory_gb
from mlrag.models.variants import family


def write_headline(advice: Advice) -> str:
    """The choice in one sentence, with how far it can be trusted."""
    line, points = advice.mix, f"{100 * advice.need.margin:g} points"
    if advice.choice is None:
        return "Nothing is feasible: below is the smallest change for each that would admit it."
    if line.status == "measured":
        return (
            f"Run {line.chosen}: the cheapest ({UNITS[advice.costs.basis]}) that is within {points} of the best "
            f"measured one on your mix of questions. Used again and again, the rule errs at most once in twenty times."
        )
    if line.status == "cannot tell":
        return (
            f"Cannot tell yet: no variant is proved to be within {points} of the best. {line.leading} leads what was "
            f"measured and may stand in. Ask {describe_questions(line.more)}."
        )
    if line.status == "one measured":
        return f"Only {line.leading} was measured and is feasible: there is nothing to hold it against yet."
    return (
        f"Nothing feasible was measured on your languages. By published figures alone: {advice.choice} "
        f"({advice.published.said})."
    )


def list_cautions(advice: Advice) -> Iterator[str]:
    """What a reader must know before following it."""
    if advice.stand_ins:
        yield (
            f"Stand-ins answered for {', '.join(advice.stand_ins)}: no models. Their figures show how the advice works "
            "and say nothing of any model."
        )
    yield from advice.evidence.warnings
    failed = {n: sum(m.failed.values()) for n, m in advice.evidence.measured.items() if any(m.failed.values())}
    if failed:
        told = ", ".join(f"{name} {n}" for name, n in failed.items())
        yield f"Failed questions are in no figure: {told}."
    for name, why in advice.mix.left_out.items():
        yield f"{name} is not compare: {why}."
    if advice.unmeasured and advice.evidence.measured:
        yield f"Feasible and not measured, so not compare: {', '.join(advice.unmeasured)}."
    if advice.mix.status == "nothing measured" and advice.published.silent:
        names = ", ".join(language(x).name for x in advice.published.silent)
        yield f"MMMLU, by which the published ones are ranked, has no {names}, and asks nothing of documents."
    if advice.mix.status == "one measured" and advice.published.chosen:
        yield f"By published figures alone it would be {advice.published.chosen} ({advice.published.said})."
    for note in dict.fromkeys(n for f in advice.feasible if f.candidate.name == advice.choice for n in f.notes):
        yield f"{advice.choice}: {note}."


def list_next_steps(advice: Advice) -> Iterator[str]:
    """Commands, one a line."""
    if command := command_to_decide(advice.mix):
        yield command
    if command := command_to_measure(advice):
        yield command


def list_language_notes(advice: Advice) -> Iterator[str]:
    """Published figures that speak of one of the languages."""
    for lang in advice.need.weights:
        yield from list_language_scores(lang)


def describe_decision(line: GroupDecision) -> list[str]:
    """Group, choice, how sure, the two that lead, what is lacking."""
    name = (
        line.group if line.group == MIX or line.group.startswith("T") else f"{line.group} {language(line.group).name}"
    )
    p = next((s.p for s in line.ruling.standings if s.name == line.chosen), None) if line.ruling else None
    sure = {
        "measured": f"p = {p:.3f}" if p is not None and p >= 0.001 else "p < 0.001",
        "cannot tell": "cannot tell",
        "one measured": "one measured",
        "nothing measured": "nothing measured",
    }[line.status]
    means = sorted(line.means.items(), key=lambda kv: -kv[1].value)
    shown = dict(kv for kv in means if kv[0] in (line.chosen, line.leading, line.runner_up))
    told = "; ".join(f"{n} {100 * m.value:.1f} [{100 * m.low:.1f}, {100 * m.high:.1f}]" for n, m in shown.items())
    lacking = describe_questions(line.more) if line.more else ", ".join(f"{n}: {w}" for n, w in line.left_out.items())
    return [name, line.chosen or (f"({line.leading})" if line.leading else "–"), sure, told, str(line.n), lacking]


DECISION_HEAD = ("for", "choice", "how sure", "right replies, % [95 %]", "rows", "ask")


def describe_hardware(advice: Advice) -> str:
    there, place = find_available_memory(advice.need, advice.machine)
    m = advice.machine
    ram = "unknown RAM" if m.ram is None else f"{m.ram:.1f} GB RAM"
    disk = "" if m.disk is None else f", {m.disk:.0f} GB of disk free"
    for_model = "" if there is None else f"; for a model: {there:.1f} GB of {place}"
    return f"Machine ({m.source}): {m.cores} cores, {ram}, {m.vram:.1f} GB GPU memory{disk}{for_model}."


def describe_requirements(advice: Advice) -> str:
    n = advice.need
    mix = ", ".join(f"{lang} {100 * w:.0f} %" for lang, w in n.weights.items())
    told = [
        f"context {n.context}",
        f"{n.concurrency} at once",
        f"locality {n.locality}",
        f"margin {100 * n.margin:g} points",
    ]
    told += [f"p95 {n.p95:g} s"] if n.p95 is not None else []
    told += [f"{n.budget:g} $ for 1,000 questions"] if n.budget is not None else []
    told += [name for name in ("audio", "images", "tools", "finetune") if getattr(n, name)]
    return (
        f"Languages: {mix}. Asked for: {', '.join(told)}. The documents answer {100 * n.answerable:.0f} % of questions."
    )


def list_sizes(advice: Advice) -> list[list[str]]:
    """What each member needs in each quantisation, and whether it fits: GB at the context and concurrency asked for."""
    there, _ = find_available_memory(advice.need, advice.machine)
    rows = []
    for spec in family().values():
        cells = []
        for q in QUANTISATIONS:
            need = memory_gb(spec, q, advice.need.context, advice.need.concurrency)
            fits = there is not None and need <= there and advice.need.context <= spec.context
            cells.append(f"{need:.1f}{' fits' if fits else ''}")
        rows.append([spec.name, *cells])
    return rows


SIZE_HEAD = ("variant", *QUANTISATIONS)


def list_excluded(advice: Advice) -> list[list[str]]:
    """Candidate, reason, smallest change; thinking left out where it changes nothing."""
    rows: dict[tuple[str, str], list[str]] = {}
    for f in advice.fits:
        if f.obstacles:
            plain = f.candidate.name.removesuffix("+think")
            reason = "; ".join(o.reason for o in f.obstacles)
            rows.setdefault((plain, reason), [plain, reason, _changes(f)])
    return list(rows.values())


def _changes(found: Feasibility) -> str:
    return " and ".join(o.change for o in found.obstacles)


EXCLUDED_HEAD = ("excluded", "why", "smallest change that admits it")


_TIERS = "python -m eval.tiers"


def command_to_measure(advice: Advice) -> str | None:
    """What measures whoever is feasible and not measured, or not in every language; None where all are."""
    line = advice.mix
    if not advice.unmeasured and not line.left_out:
        return None
    names = dict.fromkeys([*line.means, *line.left_out, *advice.unmeasured])
    return f"{_TIERS} --langs {','.join(advice.need.weights)} --variants {','.join(names)}"


def command_to_decide(line: GroupDecision) -> str | None:
    """What asks the questions that a line lacks, of all whom it compares; None where it lacks none.

    DIR is a set of your own (docs/suites.md): ours has 18 topics a language, and they are asked already.
    """
    if not line.more:
        return None
    limit = max(line.asked.get(lang, 0) + n for lang, n in line.more.items())
    return f"{_TIERS} --langs {','.join(line.more)} --variants {','.join(line.means)} --data DIR --limit {limit}"


def describe_questions(more: Mapping[str, int]) -> str:
    """ "120 more in ta, 80 more in si", the most first."""
    return ", ".join(f"{n} more in {lang}" for lang, n in sorted(more.items(), key=lambda p: -p[1]))
