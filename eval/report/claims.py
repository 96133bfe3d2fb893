"""Who judged claims, and why where nobody did, as lines of text below the figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NO_JUDGE: Mapping[str, Any] = {"judge": "", "model": "", "columns": []}
SIX = "Claim faithfulness and hallucination, noise, context utilization and self-knowledge"


def claim_lines(claims: Mapping[str, Any], lang: str = "") -> list[str]:
    """Of one language, or of all without `lang`."""
    if not claims["judge"]:
        return [f"{SIX}: blank, because no judge was asked (--judge VARIANT)."]
    lines = [f"{SIX}: as {claims['judge']} ({claims['model']}) judges claims, not corrected for its mistakes."]
    for c in claims["columns"]:
        if lang in ("", c["lang"]) and (c["why"] or c["unscored"]):
            said = f"blank: {c['why']}" if c["why"] else f"{c['unscored']} of {c['unscored'] + c['n']} answers unscored"
            lines.append(f"{c['variant']}, {c['lang']}: {said}{': ' + c['unread'] if c['unread'] else ''}.")
    return lines
