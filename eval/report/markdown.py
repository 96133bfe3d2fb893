"""The result as a tier table: rows of text, Markdown, and plain values for JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eval.probes.columns import Beside, beside_json
from eval.report.claims import NO_JUDGE, claim_lines
from eval.report.tables import COLUMNS, DETAIL_TITLES, cell, detail_rows
from eval.results.contests import GAIN_HEAD, GAPS, HEAD, Contest, contest_rows, gain_rows, needed, rank_rows, with_base
from eval.results.jsonable import plain
from eval.results.scores import Report
from mlrag.models.variants import CustomVariant

INTRO = (
    "Percent [95 % interval] n. A tier is the mean of its languages. Summary: harmonic mean of what replies to "
    "answerable questions are worth and of silence where it is due. Hallucination: answered though no passage holds "
    "the answer. Error: abstained though one does. Intervals: Wilson's on the effective sample size, shared items "
    "kept together; of the summary, F1 and area a cluster bootstrap."
)
VERSUS = (
    "Points of 100, first minus second on the rows that both have [95 % interval]. p: McNemar's exact where rows are "
    "independent yes/no rows of one language, else cluster-robust. Holm: over all pairs and languages, or all pairs "
    "and tiers, of the figure. n for a gap: independent rows in both that would show it with 80 % power."
)


def table_rows(result: Mapping[str, Any]) -> list[list[str]]:
    """One row a variant and tier, then a variant and language; a failed one says why."""
    rows = []
    for variant, found in result["variants"].items():
        label = f"{variant} ({', '.join(found['models']) or 'did not run'})"
        for group in ("tiers", "languages"):
            for name, report in found[group].items():
                more = [column.cell(variant, name) for column in _beside(result)]
                rows.append([label, name, str(report.n), *_cells(report, more)])
    return rows


def titles(result: Mapping[str, Any]) -> list[str]:
    """Of the columns between the number of rows and the seconds."""
    return [*(title for _, title in COLUMNS), *(column.title for column in _beside(result))]


def _beside(result: Mapping[str, Any]) -> Sequence[Beside]:
    found: Sequence[Beside] = result.get("beside", ())
    return found


def _cells(report: Report, more: Sequence[str]) -> list[str]:
    if report.p50 is None or report.p95 is None:
        return [f"did not run: {report.reason}", *[""] * (len(COLUMNS) - 1), *more, ""]
    cells = [cell(report.figures.get(key)) for key, _ in COLUMNS]
    failed = f" ({report.failed} failed: {report.reason})" if report.failed else ""
    return [*cells, *more, f"{report.p50:.3f} / {report.p95:.3f}{failed}"]


def markdown(result: dict[str, Any]) -> str:
    """tiers.md."""
    head = ["variant (model)", "tier or language", "rows", *titles(result), "s p50 / p95"]
    lines = ["# Tier table", "", INTRO, "", *_table(head, table_rows(result)), ""]
    lines += gain_lines(result["contests"], {v: v for v in result["variants"]}, result["signature"]["own_variants"])
    lines += contest_lines(result["contests"])
    lines += ["## More figures", "", "What each means: docs/measurement.md.", ""]
    lines += [*_table(["variant", "tier or language", *DETAIL_TITLES], detail_rows(result)), ""]
    lines += [*(f"{_inline(line)}\n" for line in claim_lines(result.get("claims", NO_JUDGE)))]
    lines += ["```json", json.dumps(result["signature"], ensure_ascii=False, indent=1), "```", ""]
    return "\n".join(lines)


def contest_lines(contests: Sequence[Contest], pairs: bool = True) -> list[str]:
    """The comparisons (not without `pairs`) and rank groups as Markdown; nothing where there are none."""
    if not contests:
        return []
    lines = ["## Against each other", ""]
    lines += [VERSUS, "", *_table(HEAD, contest_rows(contests)), ""] if pairs else []
    lines += ["Those that share a rank are not told apart; for hallucination and error less is better.", ""]
    return [*lines, *_table(("figure", "tier or language", "ranks"), rank_rows(contests)), ""]


def gain_lines(
    contests: Sequence[Contest], shown: Mapping[str, str], own: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What a fine-tune gained over its base, as Markdown; nothing where no variant of the user's has its base there.

    `shown`: the names in the report, and the variant that each is; `own`: the signature's `own_variants`.
    """
    pairs = with_base(shown, {name: CustomVariant(**found) for name, found in own.items()})
    rows = list(gain_rows(contests, pairs))
    if not rows:
        return []
    said = "Points of 100 on the rows that both have [95 % interval]; for hallucination and error less is better."
    return ["## Gain over the base", "", said, "", *_table(GAIN_HEAD, rows), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = ["| " + " | ".join(_inline(c) for c in row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]


def _inline(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def as_json(result: Mapping[str, Any]) -> Any:
    """tiers.json: null stands for what is not known, NaN and infinity never do."""
    variants = {
        name: {
            "models": v["models"],
            "thinking": v["thinking"],
            **{g: {k: asdict(r) for k, r in v[g].items()} for g in ("tiers", "languages")},
            "bleu": {k: asdict(b) for k, b in v["bleu"].items() if b},
        }
        for name, v in result["variants"].items()
    }
    head = {"run": result["run"], "signature": result["signature"], "claims": result.get("claims", NO_JUDGE)}
    head |= {"beside": beside_json(_beside(result))} if _beside(result) else {}
    return plain(head | {"variants": variants, "comparisons": contests_json(result["contests"])})


def contests_json(contests: Sequence[Contest]) -> Any:
    """By figure: every comparison, with the n needed for gaps of 0.05 and 0.1, and the ranks."""
    return {
        c.figure: {
            "comparisons": [plain(asdict(x) | {"needed": {str(g): needed(x, g) for g in GAPS}}) for x in c.comparisons],
            "ranks": c.ranks,
        }
        for c in contests
    }
