"""Split the documents that may be learned from, and turn drafts into rows: answers first, then abstentions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from eval.sft.compose import Composer, find_source
from eval.sft.leaks import SHARED, Leaks, group_overlapping, letters, run_length
from eval.sft.records import SPLITS, Draft, LeftOut, Split, TrainingRow
from mlrag.answering.retriever import Retriever
from mlrag.errors import MissingIndexError
from mlrag.languages import Language
from mlrag.types import Document, Passage


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How rows are drawn and split. `validation` and `abstentions` are proportions in [0, 1)."""

    seed: int = 0
    validation: float = 0.1
    abstentions: float = 0.25
    limit: int | None = None


@dataclass(frozen=True)
class TrainingDocuments:
    """The documents of one language that may be learned from; no document, nor a similar one, is in two splits."""

    documents: Mapping[str, Document]
    passages: Mapping[str, Sequence[Passage]]
    split_of: Mapping[str, Split]
    left_out: Sequence[LeftOut]

    def ids(self, split: Split) -> set[str]:
        return {d for d, s in self.split_of.items() if s == split}


def select_documents(retriever: Retriever, lang: Language, leaks: Leaks, plan: SplitPlan) -> TrainingDocuments:
    """Leave out documents that are evaluated on and split the others.

    Raises:
        MissingIndexError: the language has no index.
    """
    store = retriever.index(lang.code).store
    passages: dict[str, list[Passage]] = {}
    for passage in store.all_passages():
        passages.setdefault(passage.doc_id, []).append(passage)
    documents = {name: d for name in sorted(passages) if (d := store.document(name))}
    if not documents:
        raise MissingIndexError(lang.code)
    left_out = {}
    for name, document in documents.items():
        if out := leaks.check_document(document, [p.indexed_text for p in passages[name]]):
            left_out[name] = out
    kept = {name: d for name, d in documents.items() if name not in left_out}
    texts = {name: "\n".join(p.text for p in passages[name]) for name in kept}
    groups = group_overlapping(texts, run_length(lang), SHARED)
    return TrainingDocuments(kept, passages, _split(groups, plan), list(left_out.values()))


def _split(groups: Sequence[Sequence[str]], plan: SplitPlan) -> dict[str, Split]:
    """Order the groups by a hash; the first of them, at least one of several, are for validation."""
    ordered = sorted(groups, key=lambda group: order_key(plan.seed, group[0]))
    wanted = round(plan.validation * len(ordered))
    number = min(max(wanted, 1), len(ordered) - 1) if plan.validation else 0
    return {name: "validation" if at < number else "train" for at, group in enumerate(ordered) for name in group}


def order_key(seed: int, name: str) -> str:
    """Return a sort key that depends on the seed and the name alone, so that other items do not change the order."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def order_passages(available: TrainingDocuments, seed: int) -> list[Passage]:
    """Return every passage in the order of a hash: the first n are a sample."""
    passages = (p for name in available.documents for p in available.passages[name])
    return sorted(passages, key=lambda p: order_key(seed, p.id))


def compose(
    drafts: Sequence[Draft], available: TrainingDocuments, composer: Composer, plan: SplitPlan
) -> tuple[list[TrainingRow], list[LeftOut]]:
    """Make the rows of both splits: the answers, then as many abstentions as `plan.abstentions` asks for.

    Unanswerable questions that were brought come before those made by hiding a document.
    """
    rows: list[TrainingRow] = []
    left_out: list[LeftOut] = []

    def add(made: TrainingRow | LeftOut) -> bool:
        if isinstance(made, TrainingRow):
            rows.append(made)
            return True
        left_out.append(made)
        return False

    answered: list[tuple[Draft, Split]] = []
    distinct = _remove_duplicates(drafts, left_out)
    for draft in (d for d in distinct if d.example.answerable):
        if plan.limit is not None and len(rows) >= plan.limit:
            break
        split_of_draft = _find_split(draft, available, composer)
        if split_of_draft is None:
            add(LeftOut("question", draft.example.id, "its_document_is_not_there"))
        elif add(composer.make_answer(draft, split_of_draft, available.ids(split_of_draft))):
            answered.append((draft, split_of_draft))
    unanswerable = [d for d in distinct if not d.example.answerable]
    gold = {r.id: r.gold for r in rows}
    for split in SPLITS:
        candidates: list[tuple[Draft, Collection[str]]] = []
        candidates += [(d, ()) for d in unanswerable if _draw_split(d, available, plan) == split]
        in_split = sorted((d for d, s in answered if s == split), key=lambda d: order_key(plan.seed, d.example.id))
        candidates += [(d, {*gold[d.example.id], *d.example.gold_docs}) for d in in_split]
        missing = round(len(in_split) * plan.abstentions / (1 - plan.abstentions))
        for draft, hidden in candidates:
            if not missing:
                break
            missing -= add(composer.make_abstention(draft, split, available.ids(split), hidden))
    return rows, left_out


def _remove_duplicates(drafts: Iterable[Draft], left_out: list[LeftOut]) -> list[Draft]:
    """Keep the first of those that ask the same, letter for letter."""
    first_ids: dict[str, str] = {}
    kept = []
    for draft in drafts:
        first = first_ids.setdefault(letters(draft.example.question), draft.example.id)
        if first == draft.example.id:
            kept.append(draft)
        else:
            left_out.append(LeftOut("question", draft.example.id, "asked_already", first))
    return kept


def _find_split(draft: Draft, available: TrainingDocuments, composer: Composer) -> Split | None:
    """Return the split of the document that answers: the one named, else the first found; None without one."""
    gold = draft.example.gold_docs
    if gold:
        splits = [available.split_of[d] for d in gold if d in available.split_of]
        return splits[0] if len(splits) == len(gold) and len(set(splits)) == 1 else None
    hits = composer.search(draft.example.question, available.documents).hits
    source = find_source(draft, hits, composer.lang)
    return available.split_of[hits[source.hit - 1].passage.doc_id] if source else None


def _draw_split(draft: Draft, available: TrainingDocuments, plan: SplitPlan) -> Split:
    """Return the split of a named document, else one drawn by a hash: an unanswerable question often names none."""
    named = next((available.split_of[d] for d in draft.example.gold_docs if d in available.split_of), None)
    is_low = int(order_key(plan.seed, draft.example.id)[:8], 16) / 0xFFFFFFFF < plan.validation
    return named or ("validation" if is_low else "train")
