"""Suites of one dimension against stand-ins with known rates: python -m benchmarks.dimensions [--quick]

Prints what is true and what is measured; a stand-in is no model, so this is of the bench alone.
"""

# ruff: noqa: T201
from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import typer

from eval.baselines.instructions import Obedient, write_reply
from eval.baselines.longcontext import Nearsighted
from eval.baselines.reasoning import Knowing
from eval.instructions.checks import Compliance, check_constraint, parse_reply
from eval.instructions.metrics import check_reply, compute_follow_rate, compute_went_first
from eval.instructions.tasks import WritingTask, make_tasks
from eval.longcontext.contexts import make_hunts, read_material
from eval.longcontext.metrics import compute_effective_context, compute_found_rate
from eval.probes.report import format_cell
from eval.reasoning.items import make_examples
from eval.reasoning.metrics import compute_accuracy, compute_gain
from eval.runner.rows import predict
from mlrag.languages import language, languages

CORPORA = Path(__file__).parent.parent / "corpora"
QUICK = ("en", "ta", "zh")
SHARES = {"cite": 0.25, "json": 0.5, "words": 0.75, "include": 0.9}


def main(quick: bool = False) -> None:
    codes = QUICK if quick else tuple(languages())
    there = {code: make_tasks(code, CORPORA) for code in codes}
    checkers(there)
    rates(there)
    thinking(codes)
    reach(codes)


def checkers(there: dict[str, list[WritingTask]]) -> None:
    """Every task with nothing, one and two constraints dropped: is each seen as it was made?"""
    seen: Counter[tuple[bool, Compliance]] = Counter()
    for code, found_ in there.items():
        for task in found_:
            kinds = [c.kind for c in task.constraints]
            for lost in ((), *((k,) for k in kinds), *combinations(kinds, 2)):
                said = parse_reply(write_reply(task, lost), len(task.passages))
                for c in task.constraints:
                    seen[c.kind in lost, check_constraint(c, said, language(code))] += 1
    wrong = sum(n for (lost, v), n in seen.items() if v is not (Compliance.DROPPED if lost else Compliance.FOLLOWED))
    print(f"checkers, {len(there)} languages: {wrong} of {seen.total()} verdicts differ from how the reply was made")


def rates(there: dict[str, list[WritingTask]]) -> None:
    rows = {}
    for code, found_ in there.items():
        asker = Obedient(found_, SHARES)
        rows[code] = [c for t in found_ if (c := check_reply(t, predict(asker, t.example, asker.name)))]
    for kind, share in SHARES.items():
        print(
            f"followed, {kind}: made {share:.0%}, measured {format_cell(compute_follow_rate(rows, kind, range(1, 6)))}"
        )
    for kind in SHARES:
        print(f"went first, {kind}: {format_cell(compute_went_first(rows, kind))}")


def thinking(codes: tuple[str, ...]) -> None:
    asked = {code: make_examples(code) for code in codes}
    made = {"small": 0.5, "small, thinking": 0.75, "large": 0.625}
    rows = {
        name: {code: [(e, predict(Knowing(es, share), e, name)) for e in es] for code, es in asked.items()}
        for name, share in made.items()
    }
    for name, share in made.items():
        print(f"right, {name}: made {share:.1%}, measured {format_cell(compute_accuracy(rows[name], codes))}")
    moved = compute_gain(rows["small, thinking"], rows["large"], codes)
    ends = f"[{moved.interval.low:+.3f}, {moved.interval.high:+.3f}]"
    print(f"thinking less one size up: made +0.125, measured {moved.value:+.3f} {ends} p={moved.p:.3f} n={moved.n}")


def reach(codes: tuple[str, ...]) -> None:
    lengths = [1000, 2000, 4000]
    asked = {code: make_hunts(code, read_material(code, CORPORA), lengths, 12) for code in codes}
    asker = Nearsighted([h for hs in asked.values() for h in hs], 2000)
    rows = {code: [(h, predict(asker, h.example, asker.name)) for h in hs] for code, hs in asked.items()}
    for n in lengths:
        print(f"found at {n}: made {float(n <= 2000):.0%}, measured {format_cell(compute_found_rate(rows, codes, n))}")
    print(f"effective context: made 2000, measured {compute_effective_context(rows, codes, lengths, 0.7).length}")


if __name__ == "__main__":
    typer.run(main)
