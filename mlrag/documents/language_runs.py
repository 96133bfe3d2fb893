"""Find which part of a document is in which language."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from mlrag.languages import languages
from mlrag.text.detect import UNKNOWN, detect, script_counts
from mlrag.types import Span

_PARAGRAPH = regex.compile(r"(?:[^\n]|\n(?!\s*\n))+")
SAMPLE = 10_000  # characters that a language is detected from
_LETTERS = 20  # a shorter paragraph (a heading, a number) belongs to the one before it
_LETTERS_EASILY_CONFUSED = 60  # for Latin, which every document quotes, and a language in the document's own script


@dataclass(frozen=True, slots=True)
class LanguageRun:
    """Neighbouring paragraphs in one language."""

    span: Span
    lang: str


def find_language_runs(text: str, main: str) -> list[LanguageRun]:
    """Return runs that cover all paragraphs once, in order.

    A paragraph of unknown language belongs to the run before it; at the beginning, to the `main` language.
    """
    runs: list[LanguageRun] = []
    for paragraph in _PARAGRAPH.finditer(text):
        previous = runs[-1].lang if runs else main
        lang = _detect_paragraph(paragraph.group(), main) or previous
        if runs and lang == previous:
            runs[-1] = LanguageRun(Span(runs[-1].span.start, paragraph.end()), lang)
        else:
            runs.append(LanguageRun(Span(paragraph.start(), paragraph.end()), lang))
    return runs


def _detect_paragraph(paragraph: str, main: str) -> str:
    """The paragraph's language; "" where it is too short or in a language without a pack."""
    paragraph = paragraph[:SAMPLE]
    letters = sum(script_counts(paragraph).values())
    lang = detect(paragraph) if letters >= _LETTERS else UNKNOWN
    if lang == UNKNOWN:
        return ""
    if lang == main:
        return lang
    scripts = set(languages()[lang].scripts)
    main_scripts = set(languages()[main].scripts) if main in languages() else set()
    easily_confused = scripts == {"Latin"} or bool(scripts & main_scripts - {"Latin"})
    return "" if easily_confused and letters < _LETTERS_EASILY_CONFUSED else lang
