"""The commands that advice names: what to run next."""

from __future__ import annotations

from collections.abc import Mapping

from eval.advice.decide import Advice, Line

_TIERS = "python -m eval.tiers"


def to_measure(advice: Advice) -> str | None:
    """What measures whoever is feasible and not measured, or not in every language; None where all are."""
    line = advice.mix
    if not advice.unmeasured and not line.left_out:
        return None
    names = dict.fromkeys([*line.means, *line.left_out, *advice.unmeasured])
    return f"{_TIERS} --langs {','.join(advice.need.weights)} --variants {','.join(names)}"


def to_tell(line: Line) -> str | None:
    """What asks the questions that a line lacks, of all whom it compares; None where it lacks none.

    DIR is a set of your own (docs/suites.md): ours has 18 topics a language, and they are asked already.
    """
    if not line.more:
        return None
    limit = max(line.asked.get(lang, 0) + n for lang, n in line.more.items())
    return f"{_TIERS} --langs {','.join(line.more)} --variants {','.join(line.means)} --data DIR --limit {limit}"


def in_words(more: Mapping[str, int]) -> str:
    """ "120 more in ta, 80 more in si", the most first."""
    return ", ".join(f"{n} more in {lang}" for lang, n in sorted(more.items(), key=lambda p: -p[1]))
