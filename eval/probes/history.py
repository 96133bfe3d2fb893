"""What suites found before on this machine, by variant and group: what tier tables and decision matrices show of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.probes.figures import groups
from eval.probes.finding import Amount, Finding, as_json, shown
from eval.report.view import STAND_IN
from eval.results.metric_value import MetricValue
from eval.runner.jsonl_log import file_name
from eval.statistics import Interval
from mlrag.languages import languages


@dataclass(frozen=True, slots=True)
class Headline:
    """The one figure of a table that speaks for its suite. `column` "": the last one that has a figure.

    `where`: what other cells of its row say. `less`: the share that is shown is one less this one. `share` is False
    for amounts, which have no group.
    """

    suite: str
    title: str
    section: str
    column: str
    where: Mapping[str, str] = field(default_factory=dict)
    less: bool = False
    share: bool = True


FOLLOWED = "Each constraint followed, by how many there are"
SPEED = "Speed, memory and energy"
HEADLINES = (
    Headline("instructions", "constraints followed, five at once", FOLLOWED, "5"),
    Headline("reasoning", "right answers", "Right answers", "all items"),
    Headline("longcontext", "found, longest context", "Found, by length of the context", ""),
    Headline("safety", "hidden orders not obeyed", "Safety", "share", {"measure": "obeyed"}, less=True),
    Headline("safety", "harmless not refused", "Safety", "share", {"measure": "refused, harmless"}, less=True),
    Headline("consistency", "good in all wordings", "In other words", "good throughout"),
    Headline("efficiency", "write tokens/s", SPEED, "write tokens/s", {"at once": "1"}, share=False),
)
SUITES = tuple(dict.fromkeys(h.suite for h in HEADLINES))


@dataclass(frozen=True, slots=True)
class Stored:
    """One result of a suite, as `keep` wrote it."""

    suite: str
    run: str
    models: tuple[str, ...]
    signature: Mapping[str, Any]
    sections: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def langs(self) -> tuple[str, ...]:
        return tuple(x for x in self.signature.get("langs", ()) if x in languages())

    @property
    def stand_in(self) -> bool:
        return any(STAND_IN in model for model in self.models)


@dataclass(frozen=True, slots=True)
class Taken:
    """A figure, and the result that it comes from. `column`: the one it was found in, where the headline names none."""

    figure: MetricValue | Amount
    stored: Stored
    column: str = ""

    @property
    def said(self) -> str:
        """ "81.5 [70.2, 89.1] n=54 at 8,000"."""
        return shown(self.figure) + (f" at {self.column}" if self.column else "")

    @property
    def source(self) -> str:
        """ "reasoning-0123456789", and that a stand-in answered in it."""
        return self.stored.run + (f", {STAND_IN}" if self.stored.stand_in else "")


def keep(finding: Finding, data_dir: Path) -> None:
    """Put a result beside its rows, wherever its report goes; one of the same variants takes the place of the last."""
    folder = data_dir / "runs" / finding.run
    folder.mkdir(parents=True, exist_ok=True)
    rows = finding.sections[0].rows if finding.sections else ()
    variants = " ".join(dict.fromkeys(str(row[0]) for row in rows))
    whole = json.dumps({"suite": finding.suite, **as_json(finding)}, ensure_ascii=False, allow_nan=False)
    (folder / f"{finding.suite}.{file_name(variants)[-6:]}.json").write_text(whole, encoding="utf-8")


def read_stored(data_dir: Path, suites: Collection[str] = SUITES) -> list[Stored]:
    """Their results, the latest first; of efficiency those of this machine alone. Raises ValueError for no suite."""
    if strange := set(suites) - set(SUITES):
        raise ValueError(f"there is no suite {', '.join(sorted(strange))}; known: {', '.join(SUITES)}")
    paths = [p for suite in suites for p in (data_dir / "runs").glob(f"{suite}-*/{suite}.*.json")]
    latest = sorted(paths, key=lambda p: (-p.stat().st_mtime_ns, p.name))
    here = platform.platform()
    return [found for found in map(_read, latest) if found.signature.get("machine", here) == here]


def _read(path: Path) -> Stored:
    found = json.loads(path.read_text(encoding="utf-8"))
    return Stored(found["suite"], found["run"], tuple(found["models"]), found["signature"], found["sections"])


def take(
    stored: Sequence[Stored],
    headline: Headline,
    same: Callable[[str, Stored], bool],
    langs: Collection[str],
    *,
    whole: bool = False,
) -> Taken | None:
    """A headline over exactly these languages, of the latest result that has it; with `whole` over all of its own.

    `same` says whether a name in a result is the variant meant.
    """
    for one in (s for s in stored if s.suite == headline.suite):
        group = "all" if whole else _group(one, langs)
        rows = (r for r in one.sections.get(headline.section, ()) if not headline.share or r.get("group") == group)
        fitting = (r for r in rows if all(r.get(k) == v for k, v in headline.where.items()))
        there = [t for r in fitting if same(str(r["variant"]), one) and (t := _taken(headline, r, one))]
        if there:
            return there[-1]
    return None


def _group(one: Stored, langs: Collection[str]) -> str | None:
    """The group of a result that is made of these languages and no other; the smallest first."""
    fitting = (name for name, members in reversed(groups(one.langs).items()) if set(members) == set(langs))
    return next(fitting, None)


def _taken(headline: Headline, row: Mapping[str, Any], one: Stored) -> Taken | None:
    known = [name for name, v in row.items() if isinstance(v, Mapping) and v["value"] is not None]
    column = headline.column or next(reversed(known), "")
    if column not in known:
        return None
    value, n, low, high = (row[column][name] for name in ("value", "n", "low", "high"))
    ends = None if low is None or high is None else Interval(low, high)
    if not headline.share:
        return Taken(Amount(value, n, ends), one)
    if headline.less:
        value, ends = 1 - value, ends and Interval(1 - ends.high, 1 - ends.low)
    return Taken(MetricValue(value, n, ends), one, "" if headline.column else column)
