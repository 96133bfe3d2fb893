"""Contexts of a given length, filled from our corpora and, by path, from others, with the gold passage at a depth."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eval.datasets.own import own_questions, read_jsonl
from eval.metrics.answers import containment
from eval.runner.plan import SEED
from eval.types import Example
from mlrag.documents.chunking import chunk
from mlrag.documents.readers import read_documents
from mlrag.errors import CorpusFormatError
from mlrag.generation.prompts import mark_lines
from mlrag.generation.token_estimate import estimate_tokens
from mlrag.languages import Language, language
from mlrag.text.normalize import clean
from mlrag.text.special_tokens import escape_special_tokens
from mlrag.types import Document, Passage

DEPTHS = (0, 25, 50, 75, 100)  # per cent of the other passages stand before the gold one
_MARK = 8  # tokens around a passage: its number, the blank line


@dataclass(frozen=True, slots=True)
class Hunt:
    """One example: `length` in tokens, estimated from above; `depth` in per cent, None where the passage is absent."""

    example: Example
    length: int
    depth: int | None


@dataclass(frozen=True, slots=True)
class Filler:
    """A passage of the material with what it costs in tokens."""

    passage: Passage
    tokens: int


def read_material(lang: str, corpora: Path, other: Path | None = None) -> list[Filler]:
    """Every passage of our corpus and of `other`/<lang>.docs.jsonl, in a seeded order."""
    pack = language(lang)
    documents = [*read_documents([corpora / lang], lang), *_others(other, lang)]
    passages = [p for d in documents for p in chunk(d, pack)]
    random.Random(SEED).shuffle(passages)
    return [Filler(p, estimate_tokens(mark_lines(p.indexed_text)) + _MARK) for p in passages]


def _others(folder: Path | None, lang: str) -> Iterator[Document]:
    """Rows {"pid", "text"}; none without a file of the language. Raises CorpusFormatError for a missing folder."""
    if folder is None:
        return
    if not folder.is_dir():
        raise CorpusFormatError(f"there is no folder {folder}", "give a folder of <lang>.docs.jsonl files")
    path = folder / f"{lang}.docs.jsonl"
    for row in read_jsonl(path) if path.is_file() else ():
        yield Document(str(row["pid"]), lang, clean(row["text"]))


def make_hunts(lang: str, filler: Sequence[Filler], lengths: Sequence[int], questions: int) -> list[Hunt]:
    """For each length: every question at every depth, and without its passage. Lengths that the material cannot fill
    are left out."""
    pack = language(lang)
    asked = [e for e in own_questions(lang) if e.id.endswith("-1")][:questions]
    return [hunt for length in lengths for e in asked for hunt in _hunts(pack, e, filler, length)]


def _hunts(pack: Language, example: Example, filler: Sequence[Filler], length: int) -> Iterator[Hunt]:
    gold = _gold(pack, example, filler)
    others = [f for f in _rotate(filler, example.id) if f.passage.doc_id not in example.gold_docs]
    others = [f for f in others if not containment(f.passage.indexed_text, example.answers, pack)]
    room = length - estimate_tokens(_prompt(pack, example.question, ())) - gold.tokens
    if sum(f.tokens for f in others) < room:
        return
    kept = list(_fitting(others, room))
    for depth in DEPTHS:
        at = round(depth / 100 * len(kept))
        yield _hunt(pack, example, [*kept[:at], gold, *kept[at:]], length, depth)
    yield _hunt(pack, example, kept, length, None)


def _hunt(pack: Language, example: Example, shown: Sequence[Filler], length: int, depth: int | None) -> Hunt:
    name = "none" if depth is None else str(depth)
    prompt = _prompt(pack, example.question, [f.passage for f in shown])
    made = replace(example, id=f"{example.id}@{length}@{name}", question=prompt, answerable=depth is not None)
    return Hunt(made, length, depth)


def _gold(pack: Language, example: Example, filler: Sequence[Filler]) -> Filler:
    """The first passage of the gold document that holds the answer. Raises CorpusFormatError where none does."""
    there = sorted((f for f in filler if f.passage.doc_id in example.gold_docs), key=lambda f: f.passage.start)
    for f in there:
        if containment(f.passage.text, example.answers, pack):
            return f
    raise CorpusFormatError(f"no passage answers {example.id!r} in {pack.code!r}", "set MLRAG_CORPORA to our corpora")


def _rotate(filler: Sequence[Filler], name: str) -> list[Filler]:
    """Another beginning for every question."""
    start = random.Random(f"{SEED} {name}").randrange(len(filler))
    return [*filler[start:], *filler[:start]]


def _fitting(others: Sequence[Filler], room: int) -> Iterator[Filler]:
    for f in others:
        if f.tokens <= room:
            room -= f.tokens
            yield f


def _prompt(pack: Language, question: str, passages: Sequence[Passage]) -> str:
    p = pack.prompt
    shown = "\n\n".join(f"[{n}] {mark_lines(x.indexed_text)}" for n, x in enumerate(passages, 1))
    system = p["system"].replace("{abstention}", pack.abstention)
    return (
        f"{system}\n\n{p['passages']}:\n\n{shown}\n\n{p['question']}: {escape_special_tokens(question)}\n{p['answer']}:"
    )
