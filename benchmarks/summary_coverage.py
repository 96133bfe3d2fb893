"""python -m benchmarks.summary_coverage [--trials 400]: how often the summary's interval holds a known truth.

Yes/no rows of one language without clusters' effect: three answerable and one unanswerable row of either kind an item.
"""

from __future__ import annotations

import numpy as np
import typer

from eval.metrics.summary import ABSTENTION, ANSWER, summary
from eval.statistics import wilson

SETTINGS = ((0.01, 0.8, 36), (0.02, 0.8, 18), (0.5, 0.97, 18), (0.98, 0.98, 18), (0.5, 0.7, 36))


def main(trials: int = 400, seed: int = 0) -> None:
    """Print a table of Markdown."""
    rng = np.random.default_rng(seed)
    print("| worth | silence | items | coverage | mean width |\n|---|---|---|---|---|")  # noqa: T201
    for worth, silence, items in SETTINGS:
        truth, held, width = 2 * worth * silence / (worth + silence), 0, 0.0
        for _ in range(trials):
            rows = {ANSWER: _rows(rng, worth, items, 3)}
            rows |= {ABSTENTION + kind: _rows(rng, silence, items, 1) for kind in ("near_miss", "article_removed")}
            found = summary(rows)
            assert found
            held += truth in found[2]
            width += found[2].width / trials
        sure = wilson(held / trials, trials)
        cover = f"{100 * held / trials:.1f} [{100 * sure.low:.1f}, {100 * sure.high:.1f}]"
        print(f"| {worth} | {silence} | {items} | {cover} | {width:.3f} |")  # noqa: T201


def _rows(rng: np.random.Generator, rate: float, items: int, each: int) -> list[tuple[str, float]]:
    return [(str(item), float(rng.random() < rate)) for item in range(items) for _ in range(each)]


if __name__ == "__main__":
    typer.run(main)
