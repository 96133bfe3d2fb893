"""The items: numbers and answers from one table, each language's words from its own file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eval.types import Example
from mlrag.errors import CorpusFormatError
from mlrag.languages import language

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class ReasoningItem:
    """`kind` is "arithmetic" or "deduction". Either `answer`, a number, or `place` among the options, from 0."""

    id: str
    kind: str
    numbers: Mapping[str, int]
    answer: int | None
    place: int | None
    options: str  # the name of its list in the texts' files


@cache
def read_items() -> tuple[ReasoningItem, ...]:
    """All items, kinds in turn, so that a limit keeps both."""
    raw = tomllib.loads((HERE / "items.toml").read_text(encoding="utf-8"))
    found = [
        ReasoningItem(
            name, row["kind"], row.get("numbers", {}), row.get("answer"), row.get("place"), row.get("options", name)
        )
        for name, row in raw.items()
    ]
    kinds = [[item for item in found if item.kind == kind] for kind in ("arithmetic", "deduction")]
    return tuple(item for pair in zip(*kinds, strict=True) for item in pair)


@cache
def read_texts(lang: str) -> Mapping[str, Any]:
    """Raises CorpusFormatError for a language that nobody wrote the items in."""
    path = HERE / "texts" / f"{lang}.toml"
    if not path.is_file():
        raise CorpusFormatError(f"there are no reasoning items in {lang!r}", f"write {path}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def make_question(item: ReasoningItem, lang: str) -> str:
    """The item's text with its numbers."""
    text: str = read_texts(lang)["text"][item.id]
    for name, value in item.numbers.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def read_options(item: ReasoningItem, lang: str) -> tuple[str, ...]:
    return () if item.place is None else tuple(read_texts(lang)["options"][item.options])


def make_examples(lang: str, limit: int | None = None) -> list[Example]:
    """Every item as its prompt; `answers` holds the one right answer, `kind` the item's, `cluster` its id."""
    return [_example(item, lang) for item in read_items()[:limit]]


def _example(item: ReasoningItem, lang: str) -> Example:
    among = read_options(item, lang)
    right = among[item.place] if item.place is not None else str(item.answer)
    return Example(
        id=item.id,
        lang=lang,
        question=f"{make_question(item, lang)}\n\n{_format_instruction(lang, among)}",
        answerable=True,
        answers=(right,),
        kind=item.kind,
        cluster=item.id,
        options=among,
        gold_option=item.place,
    )


def _format_instruction(lang: str, among: Sequence[str]) -> str:
    """How the last line is to be written."""
    text: str = read_texts(lang)["option" if among else "number"]
    return text.replace("{label}", language(lang).prompt["answer"]).replace("{options}", " / ".join(among))
