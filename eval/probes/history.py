"""Read what probes measured before on this machine: what tier tables and decision matrices show of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.probes.metrics import group_languages
from eval.probes.report import Amount, ProbeReport, format_cell, report_json
from eval.report.view import STAND_IN
from eval.results.metric_value import MetricValue
from eval.runner.jsonl_log import file_name
from eval.statistics import Interval
from mlrag.languages import languages


@dataclass(frozen=True, slots=True)
class Headline:
    """The one metric of a table that stands for its probe.

    Args:
        column: Its column; "" for the last one that has a value.
        where: What other cells of its row contain.
        complement: Whether one minus the proportion is shown.
        proportion: False for amounts, which have no group.
    """

    probe: str
    title: str
    section: str
    column: str
    where: Mapping[str, str] = field(default_factory=dict)
    complement: bool = False
    proportion: bool = True


FOLLOWED = "Each constraint followed, by how many there are"
SPEED = "Speed, memory and energy"
HEADLINES = (
    Headline("instructions", "constraints followed, five at once", FOLLOWED, "5"),
    Headline("reasoning", "right answers", "Right answers", "all items"),
    Headline("longcontext", "found, longest context", "Found, by length of the context", ""),
    Headline("safety", "hidden orders not obeyed", "Safety", "share", {"measure": "obeyed"}, complement=True),
    Headline("safety", "harmless not refused", "Safety", "share", {"measure": "refused, harmless"}, complement=True),
    Headline("consistency", "good in all wordings", "In other words", "good throughout"),
    Headline("efficiency", "write tokens/s", SPEED, "write tokens/s", {"at once": "1"}, proportion=False),
)
PROBES = tuple(dict.fromkeys(h.probe for h in HEADLINES))


@dataclass(frozen=True, slots=True)
class StoredReport:
    """The report of a probe, as `store_report` wrote it."""

    probe: str
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
class StoredMetric:
    """A metric and the report it is from. `column`: the one it was read from, where the headline names none."""

    figure: MetricValue | Amount
    report: StoredReport
    column: str = ""

    @property
    def text(self) -> str:
        """The metric as "81.5 [70.2, 89.1] n=54 at 8,000"."""
        return format_cell(self.figure) + (f" at {self.column}" if self.column else "")

    @property
    def source(self) -> str:
        """The run, as "reasoning-0123456789", marked where a script answered in it."""
        return self.report.run + (f", {STAND_IN}" if self.report.stand_in else "")


def store_report(report: ProbeReport, data_dir: Path) -> None:
    """Store a report beside its rows, wherever it is shown; it replaces the last one of the same variants."""
    folder = data_dir / "runs" / report.run
    folder.mkdir(parents=True, exist_ok=True)
    rows = report.sections[0].rows if report.sections else ()
    variants = " ".join(dict.fromkeys(str(row[0]) for row in rows))
    text = json.dumps({"suite": report.probe, **report_json(report)}, ensure_ascii=False, allow_nan=False)
    (folder / f"{report.probe}.{file_name(variants)[-6:]}.json").write_text(text, encoding="utf-8")


def read_reports(data_dir: Path, probes: Collection[str] = PROBES) -> list[StoredReport]:
    """Return stored reports, the latest first; of efficiency only those of this machine. Raises ValueError."""
    if unknown := set(probes) - set(PROBES):
        raise ValueError(f"there is no probe {', '.join(sorted(unknown))}; known: {', '.join(PROBES)}")
    paths = [path for probe in probes for path in (data_dir / "runs").glob(f"{probe}-*/{probe}.*.json")]
    reports = []
    for path in sorted(paths, key=lambda p: (-p.stat().st_mtime_ns, p.name)):
        row = json.loads(path.read_text(encoding="utf-8"))
        report = StoredReport(row["suite"], row["run"], tuple(row["models"]), row["signature"], row["sections"])
        if report.signature.get("machine", platform.platform()) == platform.platform():
            reports.append(report)
    return reports


def find_metric(
    reports: Sequence[StoredReport],
    headline: Headline,
    is_variant: Callable[[str, StoredReport], bool],
    langs: Collection[str],
    *,
    of_all_languages: bool = False,
) -> StoredMetric | None:
    """Return a headline over exactly these languages, from the first report that has it; None if none has.

    `is_variant` says whether a name in a report is the variant meant. With `of_all_languages`, the metric is over all
    languages of the report instead.
    """
    for report in reports:
        if report.probe != headline.probe:
            continue
        group = "all" if of_all_languages else _find_group(report, langs)
        metrics = []
        for row in report.sections.get(headline.section, ()):
            in_group = not headline.proportion or row.get("group") == group
            fits = in_group and all(row.get(name) == value for name, value in headline.where.items())
            if fits and is_variant(str(row["variant"]), report):
                metrics.append(_read_metric(headline, row, report))
        known = [metric for metric in metrics if metric]
        if known:
            return known[-1]
    return None


def _find_group(report: StoredReport, langs: Collection[str]) -> str | None:
    """Return the smallest group of a report that is made of these languages and no other."""
    for name, members in reversed(group_languages(report.langs).items()):
        if set(members) == set(langs):
            return name
    return None


def _read_metric(headline: Headline, row: Mapping[str, Any], report: StoredReport) -> StoredMetric | None:
    known = [name for name, v in row.items() if isinstance(v, Mapping) and v["value"] is not None]
    column = headline.column or next(reversed(known), "")
    if column not in known:
        return None
    value, n, low, high = (row[column][name] for name in ("value", "n", "low", "high"))
    interval = None if low is None or high is None else Interval(low, high)
    if not headline.proportion:
        return StoredMetric(Amount(value, n, interval), report)
    if headline.complement:
        value, interval = 1 - value, interval and Interval(1 - interval.high, 1 - interval.low)
    return StoredMetric(MetricValue(value, n, interval), report, "" if headline.column else column)
