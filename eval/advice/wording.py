"""The sentences of the advice, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eval.advice.constraints import QUANTISATIONS, find_available_memory
from eval.advice.decide import MIX, Advice, GroupDecision
from eval.advice.published import list_language_scores
from eval.advice.totals import UNITS
from eval.report.tables import format_estimate
from eval.statistics import Interval
from mlrag.languages import language
from mlrag.models.memory_fit import memory_gb
from mlrag.models.variants import family


def write_headline(advice: Advice) -> str:
    """Return the choice in one sentence, with its certainty."""
    line, points = advice.mix, f"{100 * advice.need.margin:g} points"
    if advice.choice is None:
        return "Nothing is feasible: see below the smallest change for each that would admit it."
    if line.status == "measured":
        return (
            f"Run {line.chosen}: the cheapest ({UNITS[advice.costs.basis]}) that is within {points} of the best "
            f"measured one on your mix of questions. The rule is wrong in at most 5 % of its decisions."
        )
    if line.status == "cannot tell":
        return (
            f"Cannot tell yet: no variant is proved to be within {points} of the best. {line.leading} leads in the "
            f"measurements; use it until then. Ask {describe_questions(line.more)}."
        )
    if line.status == "one measured":
        return f"Only {line.leading} was measured and is feasible: there is nothing to compare it with yet."
    return (
        f"Nothing feasible was measured on your languages. By published scores alone: {advice.choice} "
        f"({advice.published.scores})."
    )


def list_cautions(advice: Advice) -> Iterator[str]:
    """Yield what a reader must know before following the advice."""
    if advice.stand_ins:
        yield (
            f"Stand-ins answered for {', '.join(advice.stand_ins)}, not models. Their results show how this works "
            "and say nothing about any model."
        )
    yield from advice.evidence.warnings
    failed = {n: sum(m.failed.values()) for n, m in advice.evidence.measured.items() if any(m.failed.values())}
    if failed:
        counts = ", ".join(f"{name} {n}" for name, n in failed.items())
        yield f"Failed questions are in no metric: {counts}."
    for name, why in advice.mix.left_out.items():
        yield f"{name} is not compared: {why}."
    if advice.unmeasured and advice.evidence.measured:
        yield f"Feasible and not measured, so not compared: {', '.join(advice.unmeasured)}."
    if advice.mix.status == "nothing measured" and advice.published.uncovered:
        names = ", ".join(language(x).name for x in advice.published.uncovered)
        yield f"MMMLU, the benchmark of the published ranking, does not cover {names} and uses no documents."
    if advice.mix.status == "one measured" and advice.published.chosen:
        yield f"By published scores alone it would be {advice.published.chosen} ({advice.published.scores})."
    for note in dict.fromkeys(n for f in advice.feasible if f.candidate.name == advice.choice for n in f.notes):
        yield f"{advice.choice}: {note}."


def list_next_steps(advice: Advice) -> Iterator[str]:
    """Yield the next commands."""
    if command := command_to_decide(advice.mix):
        yield command
    if command := command_to_measure(advice):
        yield command


def list_language_notes(advice: Advice) -> Iterator[str]:
    """Yield published scores of benchmarks in one of the languages."""
    for lang in advice.need.weights:
        yield from list_language_scores(lang)


def describe_decision(line: GroupDecision) -> list[str]:
    """Return a row under DECISION_HEAD."""
    name = (
        line.group if line.group == MIX or line.group.startswith("T") else f"{line.group} {language(line.group).name}"
    )
    p = next((s.p for s in line.ruling.ranking if s.name == line.chosen), None) if line.ruling else None
    sure = {
        "measured": f"p = {p:.3f}" if p is not None and p >= 0.001 else "p < 0.001",
        "cannot tell": "cannot tell",
        "one measured": "one measured",
        "nothing measured": "nothing measured",
    }[line.status]
    means = sorted(line.means.items(), key=lambda kv: -kv[1].value)
    shown = dict(kv for kv in means if kv[0] in (line.chosen, line.leading, line.runner_up))
    right = "; ".join(f"{n} {format_estimate(m.value, Interval(m.low, m.high))}" for n, m in shown.items())
    lacking = describe_questions(line.more) if line.more else ", ".join(f"{n}: {w}" for n, w in line.left_out.items())
    return [name, line.chosen or (f"({line.leading})" if line.leading else "–"), sure, right, str(line.n), lacking]


DECISION_HEAD = ("for", "choice", "how sure", "right replies, % [95 %]", "rows", "ask")


def describe_hardware(advice: Advice) -> str:
    available, kind = find_available_memory(advice.need, advice.machine)
    m = advice.machine
    ram = "unknown RAM" if m.ram is None else f"{m.ram:.1f} GB RAM"
    disk = "" if m.disk is None else f", {m.disk:.0f} GB of disk free"
    for_model = "" if available is None else f"; for a model: {available:.1f} GB of {kind}"
    return f"Machine ({m.source}): {m.cores} cores, {ram}, {m.vram:.1f} GB GPU memory{disk}{for_model}."


def describe_requirements(advice: Advice) -> str:
    n = advice.need
    mix = ", ".join(f"{lang} {100 * w:.0f} %" for lang, w in n.weights.items())
    wanted = [
        f"context {n.context}",
        f"{n.concurrency} at once",
        f"locality {n.locality}",
        f"margin {100 * n.margin:g} points",
    ]
    wanted += [f"p95 {n.p95:g} s"] if n.p95 is not None else []
    wanted += [f"{n.budget:g} $ for 1,000 questions"] if n.budget is not None else []
    wanted += [name for name in ("audio", "images", "tools", "finetune") if getattr(n, name)]
    answerable = f"{100 * n.answerable:.0f} %"
    return f"Languages: {mix}. Asked for: {', '.join(wanted)}. The documents answer {answerable} of questions."


def list_sizes(advice: Advice) -> list[list[str]]:
    """Return, by member and quantisation, the GB it needs at the context and concurrency asked for, and if it fits."""
    available, _ = find_available_memory(advice.need, advice.machine)
    rows = []
    for spec in family().values():
        cells = []
        for q in QUANTISATIONS:
            need = memory_gb(spec, q, advice.need.context, advice.need.concurrency)
            fits = available is not None and need <= available and advice.need.context <= spec.context
            cells.append(f"{need:.1f}{' fits' if fits else ''}")
        rows.append([spec.name, *cells])
    return rows


SIZE_HEAD = ("variant", *QUANTISATIONS)


def list_excluded(advice: Advice) -> list[list[str]]:
    """Return rows under EXCLUDED_HEAD; a variant with thinking only where its reason differs."""
    rows: dict[tuple[str, str], list[str]] = {}
    for f in advice.fits:
        if f.obstacles:
            plain = f.candidate.name.removesuffix("+think")
            reason = "; ".join(o.reason for o in f.obstacles)
            rows.setdefault((plain, reason), [plain, reason, " and ".join(o.change for o in f.obstacles)])
    return list(rows.values())


EXCLUDED_HEAD = ("excluded", "why", "smallest change that admits it")


_TIERS = "python -m eval.tiers"


def command_to_measure(advice: Advice) -> str | None:
    """Return the command that measures what is feasible and not fully measured; None where everything is."""
    line = advice.mix
    if not advice.unmeasured and not line.left_out:
        return None
    names = dict.fromkeys([*line.means, *line.left_out, *advice.unmeasured])
    return f"{_TIERS} --langs {','.join(advice.need.weights)} --variants {','.join(names)}"


def command_to_decide(line: GroupDecision) -> str | None:
    """Return the command that asks the missing questions of all compared variants; None where none is missing.

    DIR is a set of your own (docs/suites.md): the 18 topics per language of ours are used up.
    """
    if not line.more:
        return None
    limit = max(line.asked.get(lang, 0) + n for lang, n in line.more.items())
    return f"{_TIERS} --langs {','.join(line.more)} --variants {','.join(line.means)} --data DIR --limit {limit}"


def describe_questions(more: Mapping[str, int]) -> str:
    """ "120 more in ta, 80 more in si", the most first."""
    return ", ".join(f"{n} more in {lang}" for lang, n in sorted(more.items(), key=lambda p: -p[1]))
