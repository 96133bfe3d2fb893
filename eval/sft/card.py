"""The card of a training set (README.md, as dataset hubs have it), and its statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.tables import markdown_table
from eval.sft.records import SPLITS, LeftOut, TrainingRow
from mlrag.languages import Language
from mlrag.types import Document

_LICENCE, _SOURCE = ("licence", "license"), ("sources", "source")
NOTE = """Each row is one conversation: the system and user turns that mlrag sends to a model, and the reply that it
asks for: quotes, a line of dashes, the answer with marks, or the abstention sentence alone. The passages are those that
search finds, in an order drawn anew for each row. No row holds a question, or a passage of a document, that is
evaluated on (leaks.json); no document is in both files. Replies passed the checks of `ask`; no person has read them."""


def compute_statistics(rows: Sequence[TrainingRow]) -> dict[str, Any]:
    """Count rows, abstentions and tokens by split. `tokens`: lower and upper estimate."""
    statistics: dict[str, Any] = {}
    for split in SPLITS:
        in_split = [r for r in rows if r.split == split]
        abstentions = sum(r.kind != "answered" for r in in_split)
        documents = {d for r in in_split for d in r.gold}
        tokens = [r.tokens for r in in_split]
        statistics[split] = {
            "rows": len(in_split),
            "abstentions": abstentions,
            "abstentions_share": round(abstentions / len(in_split), 3) if in_split else None,
            "kinds": dict(sorted(Counter(r.kind for r in in_split).items())),
            "documents": len(documents),
            "tokens": list(map(sum, zip(*tokens, strict=True))) or [0, 0],
            "longest_row_tokens": max((high for _, high in tokens), default=0),
        }
    return statistics


def count_reasons(left_out: Sequence[LeftOut]) -> dict[str, int]:
    """Count the documents and questions that were left out by reason, without the number in it."""
    return dict(sorted(Counter(f"{x.what}: {x.reason.split(':')[0]}" for x in left_out).items()))


def read_meta(meta: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return what a document's front matter has under the first of these names; "" for nothing."""
    value = next((meta[n] for n in names if meta.get(n)), "")
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def make_card(
    lang: Language,
    rows: Sequence[TrainingRow],
    documents: Mapping[str, Document],
    left_out: Sequence[LeftOut],
    made_with: Mapping[str, Any],
    files: Mapping[str, str],
) -> str:
    """Return README.md: front matter for a hub, how it was made, statistics, and each document's licence and source.

    Args:
        files: split -> name of the file.
    """
    used = sorted({d for r in rows for d in r.documents})
    unlicensed = sum(not read_meta(documents[d].meta, _LICENCE) for d in used)
    configs = [f"  - split: {split}\n    path: {name}" for split, name in files.items()]
    statistics = compute_statistics(rows)
    counts = [[name.replace("_", " "), *(statistics[split][name] for split in files)] for name in statistics["train"]]
    sources = [
        [name, d.title, read_meta(d.meta, _LICENCE) or "not said", read_meta(d.meta, _SOURCE) or "not said"]
        for name, d in ((name, documents[name]) for name in used)
    ]
    lines = ["---", f"language: [{lang.code}]", "license: other", "task_categories: [question-answering]"]
    lines += ["configs:", "- config_name: default", "  data_files:", *configs, "---", ""]
    lines += [f"# Grounded answers in {lang.name}, made by `mlrag export-sft`", "", NOTE, ""]
    lines += [f"{unlicensed} of {len(used)} documents state no licence: they belong to their owners, so ask before you"]
    lines += ["publish this set or a model trained on it.", "", *_table(["", *files], counts), ""]
    lines += ["Tokens: lower and upper estimate by script; the model's own tokenizer was not used.", ""]
    lines += [*_table(["made with", ""], list(made_with.items())), ""]
    lines += [*_table(["left out", "number"], list(count_reasons(left_out).items())), ""]
    return "\n".join([*lines, *_table(["document", "title", "licence", "source"], sources), ""])


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return markdown_table(head, [list(map(str, row)) for row in rows])
