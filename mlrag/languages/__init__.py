"""Language packs: one TOML file beside this one holds everything that is true of a language; `offtopic/` holds
questions on anything, which show what an unanswerable question gets from an index.

A new language is a new file; no code knows a language by name. `mlrag languages check xx` holds a pack to
its rules.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, get_args

from mlrag.errors import PackError, UnknownLanguageError
from mlrag.types import PolicyName

FOLDER = Path(__file__).parent
# fmt: off
PROMPT_KEYS = (
    "system", "steps", "passages", "question", "answer", "firmer", "grounded", "closed", "choice", "rewrite",
)
UI_KEYS = (
    "tagline", "language", "question", "ask", "searching", "answer", "sources", "other_language",
    "filter_unvalidated", "failed", "detect", "searched", "copy_link", "copied", "variant", "thinking",
    "unverified", "documents", "passages", "add_files", "delete", "delete_sure", "status", "reports", "yes",
    "no", "index", "embedder", "checks", "native", "ready", "configured", "not_configured", "private",
    "no_model", "unreachable", "no_documents", "no_reports",
)
# fmt: on
WORD_LISTS = ("markers", "injection_topics", "injection_verbs", "abbreviations", "initials", "ordinal_words")


@dataclass(frozen=True, slots=True)
class Shot:
    """An example that a base model is shown; `answer` may be "{abstention}"."""

    passage: str
    question: str
    answer: str


@dataclass(frozen=True)
class Language:
    """One pack. `ranges` are code point ranges of the language's letters, both ends included.

    `refusal` names a policy of the safety filter by its {policy}; `unscreened` says that the filter failed.

    Facts that a pack may leave out:
    `markers`: common short words that no other language of its script has.
    `injection_topics`, `injection_verbs`: beginnings of words that make up an instruction to a model ("-" in front:
    within words too).
    `abbreviations`: short forms, without their full stop, which ends no sentence.
    `initials`: names of letters that stand for a given name ("எஸ்" for S.), without their full stop.
    `ordinal_words`: beginnings of words before which a number with a full stop is an ordinal ("14. Mai").
    `nouns_capitalised`: common nouns begin with a capital letter, so it marks no name.
    `dotless_i`: I is the capital of ı, and İ that of i.
    """

    code: str
    name: str
    endonym: str
    tier: int
    direction: str
    scripts: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]
    spaced: bool
    sentence_enders: tuple[str, ...]
    digits: tuple[str, ...]
    articles: tuple[str, ...]
    font_stack: tuple[str, ...]
    native_checked: bool
    abstention: str
    refusal: str
    unscreened: str
    policies: Mapping[str, str]
    prompt: Mapping[str, str]
    ui: Mapping[str, str]
    sample_sentences: tuple[str, ...]
    sample_questions: tuple[str, ...]
    shots: tuple[Shot, ...]
    markers: tuple[str, ...] = ()
    injection_topics: tuple[str, ...] = ()
    injection_verbs: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()
    initials: tuple[str, ...] = ()
    ordinal_words: tuple[str, ...] = ()
    nouns_capitalised: bool = False
    dotless_i: bool = False

    @property
    def rtl(self) -> bool:
        return self.direction == "rtl"

    @property
    def passage_chars(self) -> int:
        """The size of a passage, in characters: about 250 tokens of the default embedder in any script."""
        if not self.spaced:
            return 360
        return 500 if "Hangul" in self.scripts else 900

    @cached_property
    def own_letters(self) -> frozenset[int]:
        return frozenset(c for low, high in self.ranges for c in range(low, high + 1))


@dataclass(frozen=True, slots=True)
class OffTopic:
    """A question on anything, which a given set of documents hardly answers. `digit`: an answer would hold a number."""

    question: str
    digit: bool


def _code_points(range_: str) -> tuple[int, int]:
    """Return the ends of a range such as "0B80-0BFF"."""
    low, _, high = range_.partition("-")
    return int(low, 16), int(high or low, 16)


def _parse(raw: Mapping[str, Any], path: Path) -> Language:
    try:
        return Language(
            code=raw["code"],
            name=raw["name"],
            endonym=raw["endonym"],
            tier=raw["tier"],
            direction=raw["direction"],
            scripts=tuple(raw["scripts"]),
            ranges=tuple(map(_code_points, raw["ranges"])),
            spaced=raw["spaced"],
            sentence_enders=tuple(raw["sentence_enders"]),
            digits=tuple(raw["digits"]),
            articles=tuple(raw["articles"]),
            font_stack=tuple(raw["font_stack"]),
            native_checked=raw["native_checked"],
            abstention=raw["abstention"],
            refusal=raw["refusal"],
            unscreened=raw["unscreened"],
            policies={name: raw["policies"][name] for name in get_args(PolicyName)},
            prompt={key: raw["prompt"][key] for key in PROMPT_KEYS},
            ui={key: raw["ui"][key] for key in UI_KEYS},
            sample_sentences=tuple(raw["samples"]["sentences"]),
            sample_questions=tuple(raw["samples"]["questions"]),
            shots=tuple(Shot(s["passage"], s["question"], s["answer"]) for s in raw["shots"]),
            nouns_capitalised=raw.get("nouns_capitalised", False),
            dotless_i=raw.get("dotless_i", False),
            **{name: tuple(raw.get(name, ())) for name in WORD_LISTS},
        )
    except KeyError as missing:
        raise PackError(f"{path} lacks {missing.args[0]!r}", "en.toml beside it shows every field") from None


def read_pack(path: Path) -> Language:
    """Read one pack. Raises PackError for bad TOML, a missing field, or a code unlike the file's name."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{path} is not a readable TOML file: {error}") from error
    pack = _parse(raw, path)
    if pack.code != path.stem:
        raise PackError(f"{path} says code = {pack.code!r}; the code must be the file's name")
    return pack


@cache
def languages() -> Mapping[str, Language]:
    """Every installed pack by its code, in order of tier, then code."""
    packs = [read_pack(path) for path in sorted(FOLDER.glob("*.toml"))]
    return {pack.code: pack for pack in sorted(packs, key=lambda p: (p.tier, p.code))}


def language(code: str) -> Language:
    """The pack of a code such as "ta". Raises UnknownLanguageError, which lists the known ones."""
    packs = languages()
    if code not in packs:
        raise UnknownLanguageError(code, packs)
    return packs[code]


@cache
def off_topic(code: str) -> tuple[OffTopic, ...]:
    """The questions of `offtopic/<code>.jsonl`; none for a language without that file."""
    path = FOLDER / "offtopic" / f"{code}.jsonl"
    if not path.is_file():
        return ()
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return tuple(OffTopic(row["question"], row["digit"]) for row in rows)
