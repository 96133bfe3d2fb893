"""The files of a probe's report: PROBE.json, PROBE.md, and index.html with a bar for each figure."""

from __future__ import annotations

import json
from pathlib import Path

from eval.probes.report import ProbeReport, format_cell, report_json
from eval.report.pages import write
from eval.report.tables import markdown_table
from eval.results.jsonable import shorten_variant
from mlrag.languages import language, languages


def write_report(report: ProbeReport, folder: Path) -> None:
    """Write all three files; the page is static and has no scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report_json(report), ensure_ascii=False, allow_nan=False)
    signature = json.dumps(report.signature, ensure_ascii=False, indent=1)
    (folder / f"{report.probe}.json").write_text(text, encoding="utf-8")
    (folder / f"{report.probe}.md").write_text(_markdown(report, signature), encoding="utf-8")
    packs = [language(c) for c in report.signature.get("langs", []) if c in languages()]
    values = {"report": report, "signature": signature, "format_cell": format_cell, "by_name": shorten_variant}
    write(folder / "index.html", "probe.html", packs, **values)


def _markdown(report: ProbeReport, signature: str) -> str:
    lines = [f"# {report.title}", "", report.about, "", f"Answered by: {', '.join(report.models) or 'nobody'}.", ""]
    for s in report.sections:
        lines += [f"## {s.title}", "", s.note, "", *markdown_table(s.head, s.lines()), ""]
    return "\n".join([*lines, "```json", signature, "```", ""])
