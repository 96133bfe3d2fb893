"""Human labels of a run's answers: one durable file per rater and language; the last label of a row counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from eval.judge.items import LABELS, Label
from eval.judge.judge import fingerprint
from eval.judge.rows import AnswerRow, VariantAnswers
from eval.runner.jsonl_log import append, file_name, rows
from eval.statistics import Estimate
from eval.statistics.kappa import kappa

CANNOT_TELL = "cannot tell"
CHOICES = (*map(str, LABELS), CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """A rater's label of an answer: one of CHOICES. `key`: fingerprint of what the rater saw."""

    rater: str
    variant: str
    id: str
    key: str
    label: str


class Labels:
    """All labels of a run in one language."""

    def __init__(self, folder: Path, lang: str) -> None:
        self._folder = folder / "labels"
        self._lang = lang

    def add(self, label: HumanLabel) -> None:
        """Store a label. Raises ValueError for one that is not in CHOICES."""
        if label.label not in CHOICES:
            raise ValueError(f"{label.label!r} is no label; known: {', '.join(CHOICES)}")
        append(self._folder / f"{file_name(label.rater)}.{self._lang}.jsonl", asdict(label))

    def read(self) -> dict[str, dict[tuple[str, str], str]]:
        """Return, by rater, the last label of each (variant, key of the row)."""
        found: dict[str, dict[tuple[str, str], str]] = {}
        for path in sorted(self._folder.glob(f"*.{self._lang}.jsonl")):
            for label in (HumanLabel(**row) for row in rows(path)):
                found.setdefault(label.rater, {})[label.variant, label.key] = label.label
        return found


def draw(parts: Sequence[VariantAnswers]) -> list[tuple[str, AnswerRow]]:
    """Return (variant, row) in the order of a hash, so that the labelled rows are always a random sample."""
    rows = [(part.variant, row) for part in parts for row in part.rows]
    return sorted(rows, key=lambda r: hashlib.sha256(f"{r[1].example.id} {r[0]}".encode()).digest())


def read_human_truth(folder: Path, part: VariantAnswers) -> dict[str, float]:
    """Return, by example id, the proportion of raters who call the answer right; "cannot tell" does not count."""
    by_rater = Labels(folder, part.lang).read()
    truth = {}
    for row in part.rows:
        key = part.variant, fingerprint(row.item)
        votes = [labels[key] for labels in by_rater.values() if labels.get(key, CANNOT_TELL) != CANNOT_TELL]
        if votes:
            truth[row.example.id] = sum(label == Label.RIGHT for label in votes) / len(votes)
    return truth


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two raters on the rows that both labelled: Cohen's kappa, with "cannot tell" as a label."""

    lang: str
    first: str
    second: str
    kappa: Estimate
    same: int


def measure_agreements(folder: Path, parts: Sequence[VariantAnswers], lang: str) -> list[Agreement]:
    """Compare every pair of raters with a row in common; clusters are those of the questions."""
    by_rater = Labels(folder, lang).read()
    clusters = {(p.variant, fingerprint(r.item)): r.item.cluster for p in parts if p.lang == lang for r in p.rows}
    found = []
    for first, second in combinations(sorted(by_rater), 2):
        keys = [k for k in by_rater[first] if k in by_rater[second] and k in clusters]
        if keys:
            a, b = ([by_rater[rater][k] for k in keys] for rater in (first, second))
            estimate = kappa(a, b, [clusters[k] for k in keys])
            same = sum(x == y for x, y in zip(a, b, strict=True))
            found.append(Agreement(lang, first, second, estimate, same))
    return found
