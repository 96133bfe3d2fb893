"""Show a judgement as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from rich.console import Console

from eval.judge.claim_columns import CLAIMS, mean_claim_metrics
from eval.judge.pairs import CHOSEN, Pairwise, swap_rate
from eval.judge.verdict_columns import Column, Judgement
from eval.report.tables import DETAILS, format_estimate, format_metric, markdown_table, rich_table
from eval.results.jsonable import to_jsonable
from eval.statistics import Estimate

COLUMNS = ("variant", "lang", "judged right, corrected", "judged right", "p(right)", "n", "abstained", "unscored", "by")
CLAIM_COLUMNS = (
    "variant",
    "lang",
    *(dict(DETAILS)[name] for name in CLAIMS),
    "n",
    "unscored",
    "exam of claims, sum - 1",
)
PAIRS = ("group", *CHOSEN, "inconsistent", "unscored", "why not")
PAIR_NOTE = (
    "Percent [95 % interval] n of the pairs that the judge decided alike in both orders; a tier is the mean of its "
    "languages. Inconsistent: the two orders disagree; in no share."
)
EXAM = ("lang", "admitted", "sensitivity", "specificity", "sum - 1", "kappa", "unscored", "mistakes by kind")


def percent(found: Estimate | None) -> str:
    """Format an estimate in percent: "81.5 [70.2, 89.1]"; "–" for None."""
    return format_estimate(found.value, found.interval) if found else "–"


def ratio(found: Estimate) -> str:
    """Format an estimate in [-1, 1]: "0.71 [0.52, 0.84]"."""
    return format_estimate(found.value, found.interval, scale=1, digits=2)


def _row(c: Column) -> list[str]:
    name = c.variant + " (judges itself)" * c.self_judged
    if c.why:
        return [name, c.lang, f"no cell: {c.why}", "–", "–", str(c.n), "–", str(c.unscored), "–"]
    share, chance = ("–" if v is None else f"{100 * v:.1f}" for v in (c.share, c.probability))
    return [name, c.lang, percent(c.corrected), share, chance, str(c.n), str(c.abstained), str(c.unscored), c.method]


def exam_rows(found: Judgement) -> list[list[str]]:
    rows = []
    for lang, e in found.exams.items():
        missed = ", ".join(f"{kind} {count}" for kind, count in e.mistakes.items())
        rates = percent(e.sensitivity), percent(e.specificity), ratio(e.youden), ratio(e.agreement)
        rows.append([lang, "yes" if e.admitted else f"no: {e.why}", *rates, str(e.unscored), missed])
    return rows + [[lang, f"no: {why}", *["–"] * 6] for lang, why in found.unexamined.items()]


def claim_rows(found: Judgement) -> list[list[str]]:
    rows = []
    for c in found.claims:
        metrics = mean_claim_metrics([c], c.variant, [c.lang])
        cells = (
            [f"no cell: {c.why}", *["–"] * (len(CLAIMS) - 1)]
            if c.why
            else [format_metric(metrics.get(name)) for name in CLAIMS]
        )
        unscored = f"{c.unscored}: {c.unread}" if c.unscored else "0"
        rows.append([c.variant, c.lang, *cells, str(c.n), unscored, ratio(c.exam.youden) if c.exam else "–"])
    return rows


def self_preference_lines(found: Judgement | Pairwise) -> list[str]:
    """Return a sentence for each variant whose model is the judge's own."""
    lines = []
    for variant, gap in found.gaps.items():
        points = "unknown"
        if gap is not None:
            points = f"{format_estimate(gap.value, gap.interval, gap.n, signed=True)} points"
        lines.append(
            f"{variant} was judged by its own model ({found.model}). Self-preference gap, its verdicts less those on "
            f"others' answers of the same language and gold correctness: {points}."
        )
    return lines


def markdown(found: Judgement) -> str:
    lines = [
        f"# Judged by {found.judge} ({found.model})",
        "",
        "Percent [95 % interval] of the answers to answerable questions that are right. What each column means: "
        "docs/judge.md.",
        "",
        *markdown_table(COLUMNS, [_row(column) for column in found.columns]),
        "",
        *self_preference_lines(found),
        "",
        *(["## Claims", "", *markdown_table(CLAIM_COLUMNS, claim_rows(found)), ""] if found.claims else []),
        "## The judge's exam",
        "",
        *markdown_table(EXAM, exam_rows(found)),
        "",
    ]
    return "\n".join(lines)


def as_json(found: Judgement) -> dict[str, Any]:
    """Return the judgement as plain values; nan becomes null."""
    exams = {lang: asdict(e) | {"admitted": e.admitted} for lang, e in found.exams.items()}
    claims = []
    for c in found.claims:
        column = {name: getattr(c, name) for name in ("variant", "lang", "n", "unscored", "unread", "why")}
        metrics = {name: asdict(m) for name, m in mean_claim_metrics([c], c.variant, [c.lang]).items()}
        claims.append(column | {"exam": asdict(c.exam) if c.exam else None, "figures": metrics})
    result: dict[str, Any] = to_jsonable(asdict(replace(found, claims=())) | {"exams": exams, "claims": claims})
    return result


def pairwise_json(found: Pairwise) -> dict[str, Any]:
    """Return a comparison of two variants as plain values; `swapped` is the swap rate."""
    groups = [asdict(c) | {"swapped": swap_rate(c)} for c in found.groups]
    result: dict[str, Any] = to_jsonable(asdict(found) | {"groups": groups})
    return result


def pair_rows(found: Pairwise) -> list[list[str]]:
    rows = []
    for c in found.groups:
        swapped = swap_rate(c)
        apart = f"{c.inconsistent} ({100 * swapped:.0f} %)" if c.inconsistent else "0"
        rows.append([c.group, *map(format_metric, c.shares.values()), apart, str(c.unscored), c.why])
    return rows


def pair_markdown(found: Pairwise) -> str:
    lines = [f"# {_pair_title(found)}", "", PAIR_NOTE, "", *markdown_table(PAIRS, pair_rows(found)), ""]
    return "\n".join([*lines, *self_preference_lines(found), ""])


def _pair_title(found: Pairwise) -> str:
    return f"{found.first} (first) against {found.second} (second), judged by {found.judge} ({found.model})"


def show_pairs(found: Pairwise, console: Console) -> None:
    console.print(rich_table(_pair_title(found), PAIRS, pair_rows(found)), markup=False)
    for line in [PAIR_NOTE, *self_preference_lines(found)]:
        console.print(line, markup=False, highlight=False)


def show(found: Judgement, console: Console) -> None:
    for title, titles, rows in (
        (f"Judged by {found.judge} ({found.model})", COLUMNS, [_row(column) for column in found.columns]),
        ("Claims", CLAIM_COLUMNS, claim_rows(found)),
        (f"The exam of {found.judge} ({found.model})", EXAM, exam_rows(found)),
    ):
        if rows:
            console.print(rich_table(title, titles, rows), markup=False)
    for line in self_preference_lines(found):
        console.print(line, markup=False, highlight=False)
