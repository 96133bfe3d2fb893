"""The page of a dimension's suite: its tables, each figure with its bar."""

from __future__ import annotations

import json
from pathlib import Path

from eval.probes.finding import Finding, shown
from eval.report.pages import write
from eval.results.jsonable import shorten_variant
from mlrag.languages import language, languages


def write_page(path: Path, finding: Finding) -> None:
    """One static page without scripts."""
    codes = [c for c in finding.signature.get("langs", []) if c in languages()]
    signature = json.dumps(finding.signature, ensure_ascii=False, indent=1)
    write(
        path,
        "dimension.html",
        [language(c) for c in codes],
        finding=finding,
        signature=signature,
        shown=shown,
        by_name=shorten_variant,
    )
