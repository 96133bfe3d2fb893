"""Questions in one language, documents in another: what a reader's own language finds in what others wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from eval.results.cross_lingual import CrossLingualRow
from eval.types import Example
from mlrag.answering.retriever import Retriever
from mlrag.atomic_write import atomic_write
from mlrag.types import Document

SOURCE = "en"  # whose questions the tier table asks of every language's documents
PARALLEL = 0.5  # of the questions need a counterpart, else two sets share ids by accident
_FILE = "cross.json"


def make_cross_lingual(
    source: Sequence[Example], target: Sequence[Example], documents: Sequence[Document], lang: str
) -> list[Example]:
    """Return the answerable source questions as questions to the documents in `lang`, with their gold documents there.

    Gold is that of the question of the same id in `lang` (its examples are `target`); where there is none, the gold
    documents themselves, if `lang` has documents of these ids. A question with neither is left out, and all are where
    fewer than half have one.
    """
    golds = {e.id: e.gold_docs for e in target if e.gold_docs}
    document_ids = {d.id for d in documents}
    asked = [e for e in source if e.gold_docs and e.only is None]
    moved = [replace(e, lang=lang, gold_docs=golds.get(e.id, e.gold_docs)) for e in asked]
    parallel = [e for e in moved if set(e.gold_docs) <= document_ids]
    return parallel if len(parallel) >= PARALLEL * len(asked) else []


def search(retriever: Retriever, by_language: Mapping[str, Sequence[Example]], k: int) -> list[CrossLingualRow]:
    """Return the documents of the k passages that each question retrieves in each language, both rankers fused."""
    texts = list(dict.fromkeys(e.question for examples in by_language.values() for e in examples))
    vectors = dict(zip(texts, retriever.embedder.encode_query(texts), strict=True)) if texts else {}
    rows = []
    for lang, examples in by_language.items():
        for e in examples:
            ids = retriever.rank(e.question, lang, "hybrid", k, vectors[e.question])
            docs = tuple(dict.fromkeys(i.rsplit("#", 1)[0] for i in ids))
            rows.append(CrossLingualRow(lang, e.cluster or e.id, e.gold_docs, docs))
    return rows


def write_cross_lingual(folder: Path, rows: Sequence[CrossLingualRow]) -> None:
    """Write the rows into the run's folder in one step, so that they can be scored again without an index."""
    atomic_write(folder / _FILE, json.dumps([[r.lang, r.cluster, r.gold, r.docs] for r in rows]))


def read_cross_lingual(folder: Path) -> list[CrossLingualRow]:
    """Read what `write_cross_lingual` wrote; [] for a run of an earlier version."""
    path = folder / _FILE
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [CrossLingualRow(lang, cluster, tuple(gold), tuple(docs)) for lang, cluster, gold, docs in rows]
