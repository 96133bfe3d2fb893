"""What a reply ends in: the number or the option of its last line, in our one normalisation."""

from __future__ import annotations

import regex

from eval.metrics.answers import containment
from eval.types import Example
from mlrag.languages import language
from mlrag.text.tokens import numbers


def parse_answer(text: str, example: Example) -> str | None:
    """The answer that the last line commits to; None where it holds none, or several."""
    line = _last_line(text, language(example.lang).prompt["answer"])
    found = _options(line, example) if example.options else sorted(numbers(line.rpartition("=")[2]))
    return found[0] if len(found) == 1 else None


def is_right(text: str, example: Example) -> bool:
    """No readable answer is no right one."""
    return parse_answer(text, example) == example.answers[0]


def _last_line(text: str, label: str) -> str:
    """What stands behind the label and its colon in the last line that holds anything; else that line.

    The colon matters: in three languages the label is also the word for north, which is an option.
    """
    lines = [line for line in text.splitlines() if any(c.isalnum() for c in line)]
    return regex.split(rf"{regex.escape(label)}[\s*_]*[:：]", lines[-1])[-1] if lines else ""


def _options(line: str, example: Example) -> list[str]:
    """The options that stand in the line; one that is a part of another there is not meant."""
    lang = language(example.lang)
    there = [o for o in example.options if containment(line, [o], lang)]
    return [o for o in there if not any(other != o and containment(other, [o], lang) for other in there)]
