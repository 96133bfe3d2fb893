"""The card beside a training set (README.md, as dataset hubs have it), and what was left out, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.sft.records import SPLITS, LeftOut, Row
from mlrag.languages import Language
from mlrag.types import Document

_LICENCE, _SOURCE = ("licence", "license"), ("sources", "source")
NOTE = """Each row is one conversation: the system and user turns that mlrag sends to a model, and the reply that it
asks for: quotes, a line of dashes, the answer with marks, or the abstention sentence alone. The passages are those that
search finds, in an order drawn anew for each row. No row holds a question, or a passage of a document, that is
evaluated on (leaks.json); no document is in both files. Replies were checked by the guard of `ask`; nobody has read
them."""


def statistics(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows, abstentions and tokens, by split. Tokens lie between the two numbers."""
    found: dict[str, Any] = {}
    for split in SPLITS:
        there = [r for r in rows if r.split == split]
        silent = sum(r.kind != "answered" for r in there)
        found[split] = {
            "rows": len(there),
            "abstentions": silent,
            "abstentions_share": round(silent / len(there), 3) if there else None,
            "kinds": dict(sorted(Counter(r.kind for r in there).items())),
            "documents": len({d for r in there for d in r.gold}),
            "tokens": [sum(r.tokens[0] for r in there), sum(r.tokens[1] for r in there)],
            "longest_row_tokens": max((r.tokens[1] for r in there), default=0),
        }
    return found


def reasons(left_out: Sequence[LeftOut]) -> dict[str, int]:
    """How many documents and questions were left out, by reason, without its figure."""
    return dict(sorted(Counter(f"{x.what}: {x.reason.split(':')[0]}" for x in left_out).items()))


def said(meta: Mapping[str, Any], names: Sequence[str]) -> str:
    """What a document's front matter says under one of these names; "" for nothing."""
    value = next((meta[n] for n in names if meta.get(n)), "")
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def card(
    lang: Language,
    rows: Sequence[Row],
    documents: Mapping[str, Document],
    left_out: Sequence[LeftOut],
    made: Mapping[str, Any],
    files: Mapping[str, str],
) -> str:
    """README.md: front matter for a hub, how it was made, figures, and every document with licence and source."""
    used = sorted({d for r in rows for d in r.documents})
    unsaid = sum(not said(documents[d].meta, _LICENCE) for d in used)
    configs = [f"  - split: {split}\n    path: {name}" for split, name in files.items()]
    lines = ["---", f"language: [{lang.code}]", "license: other", "task_categories: [question-answering]"]
    lines += ["configs:", "- config_name: default", "  data_files:", *configs, "---", ""]
    lines += [f"# Grounded answers in {lang.name}, made by `mlrag export-sft`", "", NOTE, ""]
    lines += [f"{unsaid} of {len(used)} documents do not say their licence: they are their owners', so ask before you"]
    lines += [
        "publish this set or a model trained on it.",
        "",
        "| | " + " | ".join(files) + " |",
        "|---" * (len(files) + 1) + "|",
    ]
    figures = statistics(rows)
    for name in figures["train"]:
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(str(figures[s][name]) for s in files) + " |")
    lines += ["", "Tokens: from below and from above, by script; the model's own tokenizer was not asked.", ""]
    lines += ["| made with | |", "|---|---|", *(f"| {k} | {_cell(v)} |" for k, v in made.items()), ""]
    lines += ["| left out | number |", "|---|---|", *(f"| {k} | {n} |" for k, n in reasons(left_out).items()), ""]
    lines += ["| document | title | licence | source |", "|---|---|---|---|"]
    for name in used:
        d = documents[name]
        cells = (name, d.title, said(d.meta, _LICENCE) or "not said", said(d.meta, _SOURCE) or "not said")
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, ""])


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
