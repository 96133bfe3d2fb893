"""The writing tasks: a passage of our corpora, and one to five constraints stacked one on another."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eval.datasets.own import own_questions
from eval.instructions.checks import Constraint
from eval.types import Example
from mlrag.documents.chunking import chunk
from mlrag.documents.readers import read_documents
from mlrag.errors import CorpusFormatError
from mlrag.generation.prompts import mark_lines
from mlrag.languages import Language, language
from mlrag.types import Document

HERE = Path(__file__).parent
MOST = 5  # constraints at once
WORDS, CHARACTERS, SENTENCES, POINTS = 60, 150, 3, 4
SLOTS = ("language", "length", "sentences", "format", "cite", "include", "exclude", "digits")
# A list of 4 points is no text of 3 sentences, and without digits a number is left out anyway.
_APART = ({"sentences", "format"}, {"exclude", "digits"})


@dataclass(frozen=True, slots=True)
class WritingTask:
    """One item, "tea~3": a topic with its first 3 constraints. `others` were not asked: what is kept unasked."""

    example: Example
    topic: str
    constraints: tuple[Constraint, ...]
    others: tuple[Constraint, ...]
    passages: tuple[str, ...]


def choose_slots(place: int) -> list[str]:
    """The slots that the topic at this place stacks, in order: each begins elsewhere and goes on by 3, later by 5."""
    step = 3 if place < len(SLOTS) else 5
    found: list[str] = []
    for n in range(len(SLOTS)):
        slot = SLOTS[(place + n * step) % len(SLOTS)]
        if not any(slot in pair and pair & set(found) for pair in _APART):
            found.append(slot)
    return found[:MOST]


def make_tasks(lang: str, corpora: Path, limit: int | None = None) -> list[WritingTask]:
    """Five tasks a topic, in an order in which the first 40 begin with every kind once. Raises CorpusFormatError."""
    pack = language(lang)
    documents = {d.id: d for d in read_documents([corpora / lang], lang)}
    answers = {e.id: e.answers[0] for e in own_questions(lang) if e.answerable}
    found: list[WritingTask] = []
    for place, (topic, asked) in enumerate(read_topics().items()):
        document = documents.get(f"{lang}-{topic}")
        if document is None:
            raise CorpusFormatError(
                f"{corpora / lang} has no document on {topic!r}", "set MLRAG_CORPORA to our corpora"
            )
        found += _of_topic(pack, document, place, answers[asked["include"]], asked["exclude"])
    return found[:limit]


def _of_topic(pack: Language, document: Document, place: int, include: str, exclude: str) -> list[WritingTask]:
    topic = list(read_topics())[place]
    all_kinds = {slot: _constraint(slot, pack, place, include, exclude) for slot in SLOTS}
    order = [all_kinds[slot] for slot in choose_slots(place)]
    passages = tuple(p.indexed_text for p in chunk(document, pack))
    made = []
    for count in range(1, MOST + 1):
        asked = tuple(order[:count])
        prompt = _prompt(pack, passages, place, asked)
        example = Example(f"{topic}~{count}", pack.code, prompt, True, gold_docs=(document.id,), cluster=topic)
        others = tuple(c for c in all_kinds.values() if c not in asked)
        made.append(WritingTask(example, topic, asked, others, passages))
    return made


def _constraint(slot: str, pack: Language, place: int, include: str, exclude: str) -> Constraint:
    match slot:
        case "length":
            return Constraint("words", WORDS) if pack.spaced else Constraint("characters", CHARACTERS)
        case "sentences":
            return Constraint("sentences", SENTENCES)
        case "format":
            return Constraint("bullets", POINTS) if place % 2 else Constraint("json")
        case "include":
            return Constraint("include", text=include)
        case "exclude":
            return Constraint("exclude", text=exclude)
        case "digits":
            own = find_own_digits(pack)
            return Constraint("native_digits", text=own) if own else Constraint("no_digits")
        case _:
            return Constraint(slot)


def find_own_digits(pack: Language) -> str:
    """The ten digits of the language's own script; "" where it has none (fullwidth ones are none)."""
    own = [d for d in pack.digits if unicodedata.normalize("NFKC", d) != "0123456789"]
    return own[0] if own else ""


def _prompt(pack: Language, passages: Sequence[str], place: int, asked: Sequence[Constraint]) -> str:
    words = read_phrases(pack.code)
    shown = "\n\n".join(f"[{n}] {mark_lines(text)}" for n, text in enumerate(passages, 1))
    rules = "\n".join(f"- {format_phrase(c, pack.code)}" for c in asked)
    task = words["task"][place % 2]
    return f"{pack.prompt['passages']}:\n\n{shown}\n\n{task}\n\n{words['rules']}\n{rules}"


def format_phrase(constraint: Constraint, lang: str) -> str:
    """A constraint in the words of a language."""
    text: str = read_phrases(lang)[constraint.kind]
    values = {
        "n": str(constraint.number),
        "text": constraint.text,
        "number": constraint.text,
        "digits": constraint.text,
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@cache
def read_phrases(lang: str) -> Mapping[str, Any]:
    """Raises CorpusFormatError for a language that nobody wrote them in."""
    path = HERE / "phrases" / f"{lang}.toml"
    if not path.is_file():
        raise CorpusFormatError(f"there are no instructions of ours in {lang!r}", f"write {path}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def read_topics() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((HERE / "topics.toml").read_text(encoding="utf-8"))
