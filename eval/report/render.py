"""Write a run's report: tiers.md, tiers.json, rows and metrics as CSV and Parquet, and the pages."""

from __future__ import annotations

import json
from pathlib import Path

from eval.report.markdown import as_json, markdown, table_rows, titles
from eval.report.pages import Tables, write_pages
from eval.report.tables import DETAIL_TITLES, detail_rows
from eval.results.export import export
from eval.results.run_report import RunReport


def render(report: RunReport, out: Path) -> str:
    """Write all files below `out`; the same rows give the same bytes. Returns why there is no Parquet, or ""."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "tiers.md").write_text(markdown(report), encoding="utf-8")
    whole = json.dumps(as_json(report), ensure_ascii=False, indent=1, allow_nan=False)
    (out / "tiers.json").write_text(whole, encoding="utf-8")
    write_pages(out, report, Tables(table_rows(report), titles(report), detail_rows(report), list(DETAIL_TITLES)))
    return export(out, report)
