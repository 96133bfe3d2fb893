"""What a model's reply holds: quotes first, a line of dashes, then the answer. Models that skip a step are read too."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from mlrag.errors import GeneratorError
from mlrag.text.normalize import fold_digits, normalize_for_search
from mlrag.types import Quote

_RULE = regex.compile(r"^\s*(?:-{3,}|—{2,}|–{3,}|\*{3,}|_{3,}|={3,})\s*$", regex.MULTILINE)
_QUOTE = regex.compile(r"^\s*[\[【［]\s*(\p{Nd}{1,2})\s*[\]】］]\s*:?\s*[\"“„«「『‹'](.+)[\"”“»」』›']\s*[.。।]?\s*$")
_LOOP = regex.compile(r"(.{1,60}?)\1{7,}$", regex.DOTALL)
_LOOPED = 48  # characters that a repetition must fill: "......" is none


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply's parts. `answer` keeps its "[n]" marks."""

    answer: str
    quotes: tuple[Quote, ...]


def parse(text: str) -> Parsed:
    """Quote lines wherever they lead the reply; the answer is what follows them and the line of dashes."""
    head, rule, tail = _split(text)
    lines = head.splitlines()
    quotes = []
    while lines and (not lines[0].strip() or _QUOTE.match(lines[0])):
        found = _QUOTE.match(lines.pop(0))
        if found:
            quotes.append(Quote(int(fold_digits(found.group(1))), found.group(2).strip()))
    rest = tail if rule and tail.strip() else "\n".join(lines)
    return Parsed(rest.strip(), tuple(quotes))


def _split(text: str) -> tuple[str, bool, str]:
    rule = _RULE.search(text)
    return (text[: rule.start()], True, text[rule.end() :]) if rule else (text, False, "")


def answer_so_far(text: str) -> str:
    """The part of an unfinished reply that is surely answer: what stands below the line of dashes."""
    return _split(text)[2]


def is_abstention(text: str, sentence: str) -> bool:
    """Does the reply say the abstention sentence and nothing else?"""

    def bare(value: str) -> str:
        return "".join(c for c in normalize_for_search(value) if c.isalnum())

    return bare(text) == bare(sentence)


def refuse_loops(text: str, name: str) -> None:
    """Raises GeneratorError when the text ends in the same words eight times over."""
    loop = _LOOP.search(text[-600:])
    if loop and len(loop.group()) >= _LOOPED and loop.group(1).strip():
        raise GeneratorError(f"{name} repeats itself without end", "ask again, or take another variant")
