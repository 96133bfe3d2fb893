"""The rules a language pack keeps, as a generated suite: `mlrag languages check xx`."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlrag.generation.prompts import build_messages
from mlrag.index.local.lexical import LexicalIndex
from mlrag.languages import Language, language
from mlrag.text.detect import detect, in_language
from mlrag.text.normalize import clean, fold_digits, normalize_for_scoring, normalize_for_search
from mlrag.text.sentences import sentence_spans
from mlrag.text.tokens import scoring_tokens, tokens, words


@dataclass(frozen=True, slots=True)
class Check:
    """`problem` is empty where the rule holds."""

    name: str
    problem: str


def check_pack(code: str) -> list[Check]:
    """Every rule against one pack. Raises UnknownLanguageError or PackError where it cannot be read."""
    pack = language(code)
    return [Check(name, problem) for group in _GROUPS for name, problem in group(pack)]


_Found = Iterator[tuple[str, str]]


def _says(good: bool, problem: str) -> str:
    return "" if good else problem


def _fields(pack: Language) -> _Found:
    yield "tier is 1 to 4", _says(pack.tier in (1, 2, 3, 4), f"tier is {pack.tier}")
    yield "direction", _says(pack.direction in ("ltr", "rtl"), f"direction is {pack.direction!r}")
    yield "scripts", _says(bool(pack.scripts), "no script")
    yield "sentence enders", _says(bool(pack.sentence_enders), "none")
    yield (
        "font stack ends in a generic family",
        _says(pack.font_stack[-1] in ("sans-serif", "serif"), str(pack.font_stack)),
    )
    for row in pack.digits:
        yield f"digits {row}", _says(fold_digits(row) == "0123456789", "not the digits 0 to 9 in order")
    said = {"abstention": pack.abstention, "refusal": pack.refusal, "unscreened": pack.unscreened}
    for key, text in {**said, **pack.policies, **pack.prompt, **pack.ui}.items():
        yield (
            f"{key} is there and NFC",
            _says(bool(text.strip()) and unicodedata.normalize("NFC", text) == text, repr(text)),
        )
    for name, text in {**said, "system": pack.prompt["system"], "rewrite": pack.prompt["rewrite"]}.items():
        yield f"{name} is written in the language", _says(in_language(text, pack), text)
    yield "refusal names the policy", _says(pack.refusal.count("{policy}") == 1, "no {policy} in refusal")
    yield (
        "prompt names the abstention",
        _says("{abstention}" in pack.prompt["system"], "no {abstention} in prompt.system"),
    )
    letters = [c for c in pack.endonym if c.isalpha()]
    yield "ranges hold the endonym", _says(all(ord(c) in pack.own_letters for c in letters), pack.endonym)


def _samples(pack: Language) -> _Found:
    yield (
        "four sentences, four questions",
        _says(min(len(pack.sample_sentences), len(pack.sample_questions)) >= 4, "fewer"),
    )
    joined = " ".join(pack.sample_sentences) if pack.spaced else "".join(pack.sample_sentences)
    spans = sentence_spans(joined)
    found = [joined[s.start : s.end] for s in spans]
    yield (
        "sentences are found again",
        _says(found == list(pack.sample_sentences), f"{len(found)} found: {found}"),
    )
    for sentence in pack.sample_sentences:
        yield f"one sentence: {sentence}", _says(len(sentence_spans(sentence)) == 1, "split")
        yield f"detected: {sentence}", _says(detect(sentence) == pack.code, detect(sentence))
        yield from _text_rules(pack, sentence)
    for question in pack.sample_questions:
        yield f"detected: {question}", _says(detect(question) == pack.code, detect(question))
        yield from _text_rules(pack, question)


def _text_rules(pack: Language, text: str) -> _Found:
    yield (
        f"clean twice is clean once: {text}",
        _says(clean(clean(text)) == clean(text) == text, repr(clean(text))),
    )
    yield (
        f"NFD comes back: {text}",
        _says(clean(unicodedata.normalize("NFD", text)) == clean(text), "differs"),
    )
    yield (
        f"matching is stable: {text}",
        _says(
            normalize_for_search(normalize_for_search(text)) == normalize_for_search(text), normalize_for_search(text)
        ),
    )
    again = normalize_for_scoring(normalize_for_scoring(text, pack), pack)
    yield f"scoring is stable: {text}", _says(again == normalize_for_scoring(text, pack), again)
    yield f"has tokens: {text}", _says(bool(tokens(text)) and bool(scoring_tokens(text, pack)), "none")
    orphan = [t for t in words(text) if unicodedata.category(t[0])[0] == "M"]
    yield f"no token begins with a mark: {text}", _says(not orphan, str(orphan))
    joined = "".join(words(text))
    kept = "".join(c for c in normalize_for_search(text) if unicodedata.category(c)[0] in "LMN")
    yield f"no letter or mark is lost: {text}", _says(joined == kept, joined)


def _prompt(pack: Language) -> _Found:
    system, user = build_messages(pack, pack.sample_questions[0], ())
    yield (
        "prompt has a system and a user turn",
        _says([system.role, user.role] == ["system", "user"], f"{system} {user}"),
    )
    yield (
        "the abstention is in the prompt",
        _says(pack.abstention in system.content, system.content),
    )
    yield (
        "the question is in the prompt",
        _says(pack.sample_questions[0] in user.content, user.content),
    )


def _shots(pack: Language) -> _Found:
    """Two examples for a base model: one is answered from its passage, one is not."""
    abstaining = [s for s in pack.shots if s.answer == "{abstention}"]
    yield "two shots, one abstains", _says(len(pack.shots) == 2 and len(abstaining) == 1, str(pack.shots))
    for shot in pack.shots:
        for text in (shot.passage, shot.question):
            yield f"clean, and in the language: {text}", _says(clean(text) == text and in_language(text, pack), text)
        if shot not in abstaining:
            strange = set(tokens(shot.answer)) - set(tokens(shot.passage))
            yield f"answered from its passage: {shot.answer}", _says(not strange, str(strange))


def _search(pack: Language) -> _Found:
    """A real lexical index over the samples finds each text by its own words."""
    texts = [*pack.sample_sentences, *pack.sample_questions]
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Tantivy may still be tidying up
        index = LexicalIndex.build(texts, Path(folder) / "lexical")
        for number, text in enumerate(texts):
            positions, _ = index.search(index.idf(text), 1)
            yield f"finds its own words: {text}", _says(positions.tolist() == [number], str(positions))


_GROUPS: tuple[Callable[[Language], _Found], ...] = (_fields, _samples, _prompt, _shots, _search)
