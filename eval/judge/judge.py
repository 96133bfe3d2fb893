"""A judge: a model with a closed set of grades. An unreadable reply is unscored, never a zero."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from eval.judge.items import LABELS, Grade, JudgeItem, Label, Preference
from eval.judge.prompts import AS_WORD, CHOICES, VERSION, build_grading_prompt, build_preference_prompt, verdict_schema
from eval.runner.jsonl_log import append, resume, rows
from mlrag.errors import GeneratorBusyError, GeneratorError, GeneratorUnavailableError
from mlrag.generation.backends.base import Call, ChatMessage
from mlrag.generation.client import ModelClient

_MAX_TOKENS, _ALTERNATIVES = 64, 20
_LEAST_MASS = 0.5  # of the first token's probability must lie on the labels, else they say nothing
_SWAPPED: dict[str | None, Literal["a", "b", "tie"]] = {"first": "b", "second": "a", "tie": "tie"}
_STRAIGHT: dict[str | None, Literal["a", "b", "tie"]] = {"first": "a", "second": "b", "tie": "tie"}


class Judge:
    """One model as judge. `name` is that of the variant.

    Probabilities come from a second, one-word call, since with structured output the first token is a bracket. A
    backend that lists none is asked for them once only.
    """

    def __init__(self, caller: ModelClient, name: str) -> None:
        self.name = name
        self._caller = caller
        self._lists_tokens = True

    @property
    def model(self) -> str:
        """The model that answers, marked where it is a test double."""
        return self._caller.model.label()

    def grade(self, item: JudgeItem) -> Grade:
        """Grade one answer.

        Raises:
            GeneratorUnavailableError: no model can be reached; any other failure is an unscored grade.
        """
        key = fingerprint(item)
        try:
            raw = self._ask(build_grading_prompt(item), LABELS)
            found = read_choice(raw, LABELS)
            probability = self._probability(item) if found else None
        except GeneratorError as error:
            raise_if_unavailable(error)
            return Grade(item.id, key, Label.UNSCORED, error=str(error))
        return Grade(item.id, key, Label(found) if found else Label.UNSCORED, probability, raw)

    def prefer(self, item: JudgeItem, a: str, b: str) -> Preference:
        """Ask in both orders which answer to the item's question is better. Raises GeneratorError."""
        straight = self._ask(build_preference_prompt(item, a, b), CHOICES)
        swapped = self._ask(build_preference_prompt(item, b, a), CHOICES)
        one, other = _STRAIGHT.get(read_choice(straight, CHOICES)), _SWAPPED.get(read_choice(swapped, CHOICES))
        if one is None or other is None:
            return Preference("unscored", (straight, swapped))
        return Preference(one if one == other else "inconsistent", (straight, swapped))

    def ask(self, turns: tuple[ChatMessage, ...], schema: Mapping[str, Any], max_tokens: int = _MAX_TOKENS) -> str:
        """Return the reply itself, constrained to a JSON schema. Raises GeneratorError."""
        return self._caller.reply(Call(turns, max_tokens, schema=schema)).text

    def _ask(self, turns: tuple[ChatMessage, ...], choices: Sequence[str]) -> str:
        return self.ask(turns, verdict_schema(choices))

    def _probability(self, item: JudgeItem) -> float | None:
        if not self._lists_tokens:
            return None
        try:
            finish = self._caller.reply(
                Call(build_grading_prompt(item, AS_WORD), room=1, alternatives=_ALTERNATIVES)
            ).finish
        except GeneratorError as error:
            raise_if_unavailable(error)
            self._lists_tokens = error.retryable  # a refusal of log-probabilities is for good
            return None
        listed = finish.first_token if finish else {}
        self._lists_tokens = bool(listed)
        return probability_of_right(listed)


def fingerprint(item: JudgeItem) -> str:
    """Hash the whole prompt for an item."""
    return _digest(build_grading_prompt(item))


def pair_fingerprint(item: JudgeItem, a: str, b: str) -> str:
    """Hash the prompt for a pair, with `a` first; it determines the prompt with `b` first."""
    return _digest(build_preference_prompt(item, a, b))


def _digest(turns: tuple[ChatMessage, ...]) -> str:
    shown = "\0".join([VERSION, *(turn.content for turn in turns)])
    return hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()[:16]


def read_choice(raw: str, choices: Sequence[str]) -> str | None:
    """Return the verdict of a structured reply; None for anything else, however similar."""
    try:
        said = json.loads(raw)
    except ValueError:
        return None
    found = said.get("verdict") if isinstance(said, dict) else None
    return found if isinstance(found, str) and found in choices else None


def probability_of_right(listed: Mapping[str, float]) -> float | None:
    """Return P(right) / P(any label) from the listed log-probabilities of the first token.

    A token of two letters or more counts for the label that it begins ("A" may be an article). None where less than
    half of the probability is on labels.
    """
    mass = dict.fromkeys(LABELS, 0.0)
    for token, log in listed.items():
        begun = token.strip(" \n\"'▁").casefold()
        for label in LABELS:
            if len(begun) > 1 and label.startswith(begun):
                mass[label] += math.exp(log)
    total = sum(mass.values())
    return mass[Label.RIGHT] / total if total >= _LEAST_MASS else None


def raise_if_unavailable(error: Exception) -> None:
    """Raise the error again if no model can be reached; one that is only busy can be asked again."""
    if isinstance(error, GeneratorUnavailableError) and not isinstance(error, GeneratorBusyError):
        raise error


def grade_all(
    judge: Judge, items: Sequence[JudgeItem], path: Path, tick: Callable[[], object], concurrency: int = 1
) -> list[Grade]:
    """Grade every item, in order, asking only for grades that `path` lacks, at most `concurrency` at once.

    A stored grade is used if the prompt is still the same; failed ones are asked again. An interrupt lets those under
    way end and asks no more.

    Raises:
        GeneratorUnavailableError: no model can be reached; stored grades stay.
    """
    stored = (Grade(**(row | {"label": Label(row["label"])})) for row in rows(path))
    done = {grade.key: grade for grade in stored if not grade.error}
    lock = Lock()

    def grade(item: JudgeItem) -> Grade:
        grade = judge.grade(item)
        with lock:
            append(path, asdict(grade))
        tick()
        return grade

    for item in items:
        if fingerprint(item) in done:
            tick()
    grades = resume(done, items, fingerprint, grade, concurrency, judge.name)
    return [replace(g, id=item.id) for g, item in zip(grades, items, strict=True)]
