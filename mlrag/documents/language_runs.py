"""A document in several languages: which stretch of it is in which."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from mlrag.languages import languages
from mlrag.text.detect import UNKNOWN, detect, script_counts
from mlrag.types import Span

_PARAGRAPH = regex.compile(r"(?:[^\n]|\n(?!\s*\n))+")
SAMPLE = 10_000  # characters that a language is detected from
_LETTERS = 20  # a shorter paragraph (a heading, a number) belongs to the one before it
_LETTERS_HARD = 60  # Latin, which every document quotes, and the script of the document: Hindi in a Nepali one


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring paragraphs in one language."""

    span: Span
    lang: str


def runs(text: str, main: str) -> list[Run]:
    """Runs that cover all paragraphs once, in order. What cannot be told belongs to what stands before it,
    at the beginning to `main`."""
    found: list[Run] = []
    for paragraph in _PARAGRAPH.finditer(text):
        previous = found[-1].lang if found else main
        lang = _of(paragraph.group(), main) or previous
        if found and lang == previous:
            found[-1] = Run(Span(found[-1].span.start, paragraph.end()), lang)
        else:
            found.append(Run(Span(paragraph.start(), paragraph.end()), lang))
    return found


def _of(paragraph: str, main: str) -> str:
    """The paragraph's language; "" where it is too short or in a language without a pack."""
    paragraph = paragraph[:SAMPLE]
    letters = sum(script_counts(paragraph).values())
    if letters < _LETTERS:
        return ""
    lang = detect(paragraph)
    if lang == UNKNOWN:
        return ""
    return "" if lang != main and letters < _LETTERS_HARD and _hard(lang, main) else lang


def _hard(lang: str, main: str) -> bool:
    scripts = set(languages()[lang].scripts)
    return scripts == {"Latin"} or (main in languages() and bool(scripts & set(languages()[main].scripts) - {"Latin"}))
