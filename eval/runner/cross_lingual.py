"""Questions in one language, documents in another: what a reader's own tongue finds in what others wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.datasets.own import Example
from eval.metrics.ranking import ndcg, reciprocal_rank
from eval.metrics.selective import Row
from eval.results.extra import mean_figure
from eval.results.scores import Figure
from mlrag.answering.retriever import Retriever
from mlrag.types import Document

SOURCE = "en"  # whose questions the tier table asks of every language's documents
PARALLEL = 0.5  # of the questions need a counterpart, else two sets share ids by accident
FIGURES = ("cross:recall@5", "cross:mrr@10", "cross:ndcg@10")
_FILE = "cross.json"


@dataclass(frozen=True, slots=True)
class Crossed:
    """One question of `SOURCE` asked of the documents in `lang`: its gold ones there, and those found, best first."""

    lang: str
    cluster: str
    gold: tuple[str, ...]
    docs: tuple[str, ...]


def crossed(
    source: Sequence[Example], own: Sequence[Example], documents: Sequence[Document], lang: str
) -> list[Example]:
    """The answerable source questions as questions to the documents in `lang`, with their gold documents there.

    Gold is that of the question of the same id in `lang`; where there is none, the gold documents themselves, if
    `lang` has documents of these ids. A question with neither is left out, and all are where fewer than half have one.
    """
    golds, there = {e.id: e.gold_docs for e in own if e.gold_docs}, {d.id for d in documents}
    asked = [e for e in source if e.gold_docs and e.only is None]
    found = [replace(e, lang=lang, gold_docs=golds.get(e.id, e.gold_docs)) for e in asked]
    parallel = [e for e in found if set(e.gold_docs) <= there]
    return parallel if len(parallel) >= PARALLEL * len(asked) else []


def search(retriever: Retriever, by_language: Mapping[str, Sequence[Example]], k: int) -> list[Crossed]:
    """The documents of the k passages that each question gets in each language, both legs fused."""
    texts = list(dict.fromkeys(e.question for found in by_language.values() for e in found))
    vectors = dict(zip(texts, retriever.embedder.encode_query(texts), strict=True)) if texts else {}
    rows = []
    for lang, examples in by_language.items():
        for e in examples:
            ids = retriever.rank(e.question, lang, "hybrid", k, vectors[e.question])
            docs = tuple(dict.fromkeys(i.rsplit("#", 1)[0] for i in ids))
            rows.append(Crossed(lang, e.cluster or e.id, e.gold_docs, docs))
    return rows


def figures(rows: Sequence[Crossed], langs: Sequence[str]) -> dict[str, Figure]:
    """`FIGURES` over some languages, each counting alike; none for those without a row."""
    by_language: dict[str, dict[str, list[Row]]] = {name: {} for name in FIGURES}
    for row in rows:
        if row.lang in langs:
            found = bool(set(row.gold) & set(row.docs)), reciprocal_rank(row.docs, row.gold), ndcg(row.docs, row.gold)
            for name, value in zip(FIGURES, found, strict=True):
                by_language[name].setdefault(row.lang, []).append((row.cluster, float(value)))
    return {name: mean_figure(there) for name, there in by_language.items() if there}


def keep(folder: Path, rows: Sequence[Crossed]) -> None:
    """Beside a run's rows, whole or not at all, so that they can be scored again without an index."""
    draft = folder / f"{_FILE}.{os.getpid()}.tmp"
    draft.write_text(json.dumps([[r.lang, r.cluster, r.gold, r.docs] for r in rows]), encoding="utf-8")
    draft.replace(folder / _FILE)


def kept(folder: Path) -> list[Crossed]:
    """What `keep` kept; nothing in a run of before."""
    path = folder / _FILE
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return [Crossed(lang, cluster, tuple(gold), tuple(docs)) for lang, cluster, gold, docs in found]
