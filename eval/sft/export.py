"""The export on one screen: documents, without what is evaluated on, to two splits; drafts to rows; abstentions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from eval.sft.compose import Composer, find_source
from eval.sft.leaks import SHARED, Leaks
from eval.sft.overlap import groups, letters, run_length
from eval.sft.records import SPLITS, Draft, LeftOut, Row, Split
from mlrag.answering.retriever import Retriever
from mlrag.errors import MissingIndexError
from mlrag.languages import Language
from mlrag.types import Document, Passage


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows are shared out: `validation` and `abstentions` are shares in [0, 1)."""

    seed: int = 0
    validation: float = 0.1
    abstentions: float = 0.25
    limit: int | None = None


@dataclass(frozen=True)
class Shelf:
    """The documents of one language that may be learned from, by split; no document, nor one like it, is in two."""

    documents: Mapping[str, Document]
    passages: Mapping[str, Sequence[Passage]]
    split_of: Mapping[str, Split]
    left_out: Sequence[LeftOut]

    def of(self, split: Split) -> set[str]:
        return {d for d, s in self.split_of.items() if s == split}


def shelve(retriever: Retriever, lang: Language, leaks: Leaks, plan: Plan) -> Shelf:
    """Raises MissingIndexError for a language without an index."""
    store = retriever.index(lang.code).store
    passages: dict[str, list[Passage]] = {}
    for passage in store.all_passages():
        passages.setdefault(passage.doc_id, []).append(passage)
    documents = {name: d for name in sorted(passages) if (d := store.document(name))}
    if not documents:
        raise MissingIndexError(lang.code)
    left_out = {
        name: out
        for name, d in documents.items()
        if (out := leaks.document(d, [p.indexed_text for p in passages[name]]))
    }
    kept = {name: d for name, d in documents.items() if name not in left_out}
    alike = groups({name: _text(passages[name]) for name in kept}, run_length(lang), SHARED)
    return Shelf(kept, passages, _splits(alike, plan), list(left_out.values()))


def _text(passages: Iterable[Passage]) -> str:
    return "\n".join(p.text for p in passages)


def _splits(alike: Sequence[Sequence[str]], plan: Plan) -> dict[str, Split]:
    """The groups in the order of a hash; the first of them, at least one of several, are for validation."""
    ordered = sorted(alike, key=lambda group: drawn(plan.seed, group[0]))
    wanted = round(plan.validation * len(ordered))
    number = min(max(wanted, 1), len(ordered) - 1) if plan.validation else 0
    return {name: "validation" if at < number else "train" for at, group in enumerate(ordered) for name in group}


def drawn(seed: int, name: str) -> str:
    """A place in an order that the seed decides, whatever else there is."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def to_ask_about(shelf: Shelf, seed: int) -> list[Passage]:
    """Every passage of the shelf in the order of a hash: the first n are a sample."""
    there = (p for name in shelf.documents for p in shelf.passages[name])
    return sorted(there, key=lambda p: drawn(seed, p.id))


def compose(drafts: Sequence[Draft], shelf: Shelf, composer: Composer, plan: Plan) -> tuple[list[Row], list[LeftOut]]:
    """Rows of both splits: first those that answer, then so many that abstain that they are the share asked for.

    Unanswerable questions that were brought come before those made by hiding a document.
    """
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    answered: list[tuple[Draft, Split]] = []
    distinct = _distinct(drafts, left_out)
    for draft in (d for d in distinct if d.example.answerable):
        if plan.limit is not None and len(rows) >= plan.limit:
            break
        split = _split_of(draft, shelf, composer)
        if split is None:
            left_out.append(LeftOut("question", draft.example.id, "its_document_is_not_there"))
        elif _put(composer.answered(draft, split, shelf.of(split)), rows, left_out):
            answered.append((draft, split))
    brought = [d for d in distinct if not d.example.answerable]
    for split in SPLITS:
        asked: list[tuple[Draft, Collection[str]]] = [(d, ()) for d in brought if _drawn_split(d, shelf, plan) == split]
        own = sorted((d for d, s in answered if s == split), key=lambda d: drawn(plan.seed, d.example.id))
        golds = {r.id: r.gold for r in rows}
        asked += [(d, {*golds[d.example.id], *d.example.gold_docs}) for d in own]
        wanted = round(len(own) * plan.abstentions / (1 - plan.abstentions))
        _fill(composer, asked, split, shelf, wanted, rows, left_out)
    return rows, left_out


def _fill(
    composer: Composer,
    asked: Iterable[tuple[Draft, Collection[str]]],
    split: Split,
    shelf: Shelf,
    wanted: int,
    rows: list[Row],
    left_out: list[LeftOut],
) -> None:
    made = 0
    for draft, hidden in asked:
        if made >= wanted:
            return
        made += _put(composer.silent(draft, split, shelf.of(split), hidden), rows, left_out)


def _put(made: Row | LeftOut, rows: list[Row], left_out: list[LeftOut]) -> bool:
    if isinstance(made, Row):
        rows.append(made)
        return True
    left_out.append(made)
    return False


def _distinct(drafts: Iterable[Draft], left_out: list[LeftOut]) -> list[Draft]:
    """The first of those that ask the same, letter for letter."""
    seen: dict[str, str] = {}
    kept = []
    for draft in drafts:
        first = seen.setdefault(letters(draft.example.question), draft.example.id)
        if first == draft.example.id:
            kept.append(draft)
        else:
            left_out.append(LeftOut("question", draft.example.id, "asked_already", first))
    return kept


def _split_of(draft: Draft, shelf: Shelf, composer: Composer) -> Split | None:
    """That of the document that answers: the one named, else the first found among all; None without one."""
    named = [shelf.split_of[d] for d in draft.example.gold_docs if d in shelf.split_of]
    if draft.example.gold_docs:
        return named[0] if len(named) == len(draft.example.gold_docs) and len(set(named)) == 1 else None
    hits = composer.find(draft.example.question, shelf.documents).hits
    source = find_source(draft, hits, composer.lang)
    return shelf.split_of[hits[source.hit - 1].passage.doc_id] if source else None


def _drawn_split(draft: Draft, shelf: Shelf, plan: Plan) -> Split:
    """An unanswerable question has no document: a hash decides."""
    first = next((shelf.split_of[d] for d in draft.example.gold_docs if d in shelf.split_of), None)
    low = int(drawn(plan.seed, draft.example.id)[:8], 16) / 0xFFFFFFFF < plan.validation
    return first or ("validation" if low else "train")
