"""Was a constraint followed? Checkers that read any language; one that cannot tell says so, never "followed"."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import regex

from eval.metrics.answers import containment
from eval.metrics.outcome import MARKS
from eval.metrics.reply_language import MIN_LETTERS, ReplyLanguage, reply_language
from mlrag.languages import Language
from mlrag.text.normalize import fold_digits
from mlrag.text.sentences import sentence_spans
from mlrag.text.tokens import numbers

_FENCE = regex.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", regex.DOTALL | regex.IGNORECASE)
_BULLET = regex.compile(r"^[ \t]*(?:[-*•‣◦–—·・＊－]|\p{Nd}{1,2}[.)、．）])[ \t]*(?=\S)", regex.MULTILINE)
_MARK_NUMBERS = regex.compile(r"[\[【［]\s*(\p{Nd}{1,2}(?:\s*[,،、]\s*\p{Nd}{1,2})*)\s*[\]】］]")
_DIGIT = regex.compile(r"\p{Nd}")
_GRAPHEME = regex.compile(r"\X")
_ENDER = regex.compile(r"[.!?…؟۔।॥။։።。！？｡]")
_ONE_SENTENCE = 200  # letters: so many without a stop, and stops are not how this text ends its sentences
KEYS = ("title", "text")


class Compliance(StrEnum):
    FOLLOWED = "followed"
    DROPPED = "dropped"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Constraint:
    """`kind` names its check below; `number` and `text` are what its phrase says."""

    kind: str
    number: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply as the checks read it. `prose`: what is for a reader, without JSON's signs, list marks and citations;
    `passages`: how many could be cited."""

    raw: str
    prose: str
    passages: int

    @property
    def letters(self) -> int:
        return sum(unicodedata.category(c)[0] == "L" for c in self.prose)


def parse_reply(raw: str, passages: int) -> ParsedReply:
    found = _json_object(raw)
    shown = raw if found is None else "\n".join(v for v in found.values() if isinstance(v, str))
    return ParsedReply(raw, MARKS.sub("", _BULLET.sub("", shown)).strip(), passages)


def check_constraint(constraint: Constraint, said: ParsedReply, lang: Language) -> Compliance:
    return _CHECKS[constraint.kind](constraint, said, lang)


def _json_object(raw: str) -> dict[str, Any] | None:
    """The reply as one JSON object, a code fence around it allowed; None where it is none."""
    fenced = _FENCE.match(raw)
    try:
        found = json.loads(fenced.group(1) if fenced else raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _verdict(followed: bool) -> Compliance:
    return Compliance.FOLLOWED if followed else Compliance.DROPPED


def _at_most(found: int, constraint: Constraint, said: ParsedReply) -> Compliance:
    """Whoever hardly writes keeps every limit: that decides nothing."""
    if said.letters < MIN_LETTERS:
        return Compliance.UNDECIDED
    return _verdict(found <= constraint.number)


def _language(_c: Constraint, said: ParsedReply, lang: Language) -> Compliance:
    found = reply_language(said.prose, lang)
    return (
        Compliance.UNDECIDED
        if found in (ReplyLanguage.SKIPPED, ReplyLanguage.UNKNOWN)
        else _verdict(found is ReplyLanguage.ASKED)
    )


def _words(c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    """As people count in spaced scripts: between blanks, where a letter or digit is in it."""
    return _at_most(sum(any(x.isalnum() for x in word) for word in said.prose.split()), c, said)


def _characters(c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    """Graphemes, blanks left out."""
    return _at_most(sum(not g.isspace() for g in _GRAPHEME.findall(said.prose)), c, said)


def _sentences(c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    if not _ENDER.search(said.prose) and said.letters >= _ONE_SENTENCE:
        return Compliance.UNDECIDED
    return _verdict(len(sentence_spans(said.prose)) == c.number)


def _json(_c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    found = _json_object(said.raw) or {}
    return _verdict(set(found) == set(KEYS) and all(isinstance(v, str) and v.strip() for v in found.values()))


def _bullets(c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    return _verdict(len(_BULLET.findall(said.raw)) == c.number)


def _cite(_c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    """At least one mark, and none of a passage that is not there."""
    cited = [int(n) for m in _MARK_NUMBERS.findall(said.raw) for n in regex.findall(r"\d+", fold_digits(m))]
    return _verdict(bool(cited) and all(1 <= n <= said.passages for n in cited))


def _include(c: Constraint, said: ParsedReply, lang: Language) -> Compliance:
    found = containment(said.prose, [c.text], lang)
    return Compliance.UNDECIDED if found is None else _verdict(found == 1)


def _exclude(c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    there = bool(numbers(said.prose) & numbers(c.text))
    return Compliance.UNDECIDED if not there and said.letters < MIN_LETTERS else _verdict(not there)


def _native_digits(c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    """`text` holds the script's ten digits. Without any digit there is nothing to decide."""
    found = _DIGIT.findall(said.prose)
    return _verdict(set(found) <= set(c.text)) if found else Compliance.UNDECIDED


def _no_digits(_c: Constraint, said: ParsedReply, _lang: Language) -> Compliance:
    there = bool(_DIGIT.search(said.prose))
    return Compliance.UNDECIDED if not there and said.letters < MIN_LETTERS else _verdict(not there)


_CHECKS: Mapping[str, Callable[[Constraint, ParsedReply, Language], Compliance]] = {
    "language": _language,
    "words": _words,
    "characters": _characters,
    "sentences": _sentences,
    "json": _json,
    "bullets": _bullets,
    "cite": _cite,
    "include": _include,
    "exclude": _exclude,
    "native_digits": _native_digits,
    "no_digits": _no_digits,
}
KINDS = tuple(_CHECKS)
