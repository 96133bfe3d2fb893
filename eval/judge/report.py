"""A judgement as text and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from eval.judge.claim_columns import CLAIMS, mean_claim_metrics
from eval.judge.pairs import CHOSEN, Pairwise, swap_rate
from eval.judge.verdict_columns import Column, Judgement
from eval.report.tables import DETAILS, format_metric, rich_table
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
    """ "81.5 [70.2, 89.1]"; "–" for nothing."""
    if found is None or math.isnan(found.value):
        return "–"
    return f"{100 * found.value:.1f} [{100 * found.interval.low:.1f}, {100 * found.interval.high:.1f}]"


def ratio(found: Estimate) -> str:
    """The same between -1 and 1."""
    return (
        "–" if math.isnan(found.value) else f"{found.value:.2f} [{found.interval.low:.2f}, {found.interval.high:.2f}]"
    )


def column_rows(found: Judgement) -> list[list[str]]:
    return [_row(column) for column in found.columns]


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
        worth = percent(e.sensitivity), percent(e.specificity), ratio(e.youden), ratio(e.agreement)
        rows.append([lang, "yes" if e.admitted else f"no: {e.why}", *worth, str(e.unscored), missed])
    return rows + [[lang, f"no: {why}", *["–"] * 6] for lang, why in found.unexamined.items()]


def claim_rows(found: Judgement) -> list[list[str]]:
    rows = []
    for c in found.claims:
        there = mean_claim_metrics([c], c.variant, [c.lang])
        cells = (
            [f"no cell: {c.why}", *["–"] * (len(CLAIMS) - 1)]
            if c.why
            else [format_metric(there.get(name)) for name in CLAIMS]
        )
        unscored = f"{c.unscored}: {c.unread}" if c.unscored else "0"
        rows.append([c.variant, c.lang, *cells, str(c.n), unscored, ratio(c.exam.youden) if c.exam else "–"])
    return rows


def self_preference_lines(found: Judgement | Pairwise) -> list[str]:
    """What has to be said where the judge's own model answered."""
    lines = []
    for variant, gap in found.gaps.items():
        said = "cannot be given" if gap is None else f"{100 * gap.value:+.1f} points {_points(gap)}, n={gap.n}"
        lines.append(
            f"{variant} was judged by its own model ({found.model}). Self-preference gap, its verdicts less those on "
            f"others' answers of the same language and gold correctness: {said}."
        )
    return lines


def _points(gap: Estimate) -> str:
    return f"[{100 * gap.interval.low:+.1f}, {100 * gap.interval.high:+.1f}]"


def markdown(found: Judgement) -> str:
    lines = [
        f"# Judged by {found.judge} ({found.model})",
        "",
        "Percent [95 % interval] of the answers to answerable questions that are right. What each column means: "
        "docs/judge.md.",
        "",
        *_table(COLUMNS, column_rows(found)),
        "",
        *self_preference_lines(found),
        "",
        *(["## Claims", "", *_table(CLAIM_COLUMNS, claim_rows(found)), ""] if found.claims else []),
        "## The judge's exam",
        "",
        *_table(EXAM, exam_rows(found)),
        "",
    ]
    return "\n".join(lines)


def _table(titles: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    shown = ["| " + " | ".join(format_metric.replace("|", "\\|") for format_metric in row) + " |" for row in rows]
    return ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles), *shown]


def as_json(found: Judgement) -> dict[str, Any]:
    """Everything, as plain values; what is no number is null."""
    exams = {lang: asdict(e) | {"admitted": e.admitted} for lang, e in found.exams.items()}
    claims = [
        {name: getattr(c, name) for name in ("variant", "lang", "n", "unscored", "unread", "why")}
        | {"exam": asdict(c.exam) if c.exam else None}
        | {"figures": {name: asdict(f) for name, f in mean_claim_metrics([c], c.variant, [c.lang]).items()}}
        for c in found.claims
    ]
    whole: dict[str, Any] = to_jsonable(asdict(replace(found, claims=())) | {"exams": exams, "claims": claims})
    return whole


def pairwise_json(found: Pairwise) -> dict[str, Any]:
    """The same of pairs; `swapped` is the share of readable pairs whose orders disagree."""
    contests = [asdict(c) | {"swapped": swap_rate(c)} for c in found.contests]
    whole: dict[str, Any] = to_jsonable(asdict(found) | {"contests": contests})
    return whole


def pair_rows(found: Pairwise) -> list[list[str]]:
    rows = []
    for c in found.contests:
        swapped = swap_rate(c)
        apart = f"{c.inconsistent} ({100 * swapped:.0f} %)" if c.inconsistent else "0"
        rows.append([c.group, *map(format_metric, c.shares.values()), apart, str(c.unscored), c.why])
    return rows


def pair_markdown(found: Pairwise) -> str:
    lines = [f"# {_versus(found)}", "", PAIR_NOTE, "", *_table(PAIRS, pair_rows(found)), ""]
    return "\n".join([*lines, *self_preference_lines(found), ""])


def _versus(found: Pairwise) -> str:
    return f"{found.first} (first) against {found.second} (second), judged by {found.judge} ({found.model})"


def show_pairs(found: Pairwise, console: Console) -> None:
    console.print(rich_table(_versus(found), PAIRS, pair_rows(found)), markup=False)
    for line in [PAIR_NOTE, *self_preference_lines(found)]:
        console.print(line, markup=False, highlight=False)


def show(found: Judgement, console: Console) -> None:
    for title, titles, rows in (
        (f"Judged by {found.judge} ({found.model})", COLUMNS, column_rows(found)),
        ("Claims", CLAIM_COLUMNS, claim_rows(found)),
        (f"The exam of {found.judge} ({found.model})", EXAM, exam_rows(found)),
    ):
        if not rows:
            continue
        table = Table(*titles, title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for row in rows:
            table.add_row(*row)
        console.print(table, markup=False)
    for line in self_preference_lines(found):
        console.print(line, markup=False, highlight=False)
