"""Multiple choice: which option a variant picks. Log-probabilities of models, cosines for extractive.

Where the backend tells how likely a given text is (llama.cpp inside this process), the text of each option is scored as
the reply, and no option is shown: `option-mc`. Elsewhere a model is asked for a letter, in several cyclic orders of
the options, because models favour some letters: `letter-mc`. The two are not comparable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import numpy as np

from eval.types import Example
from mlrag.embedding.base import Embedder
from mlrag.errors import BrokenReplyError, GeneratorUnavailableError
from mlrag.factory import make_caller
from mlrag.generation.backends.base import Call, ChatMessage
from mlrag.generation.prompts import mark_lines
from mlrag.languages import Language, language
from mlrag.settings import Settings
from mlrag.text.sentences import sentence_spans
from mlrag.text.special_tokens import escape_special_tokens
from mlrag.types import Document

LETTERS = "ABCDEFGHIJKLMNOPQRST"
VERSION = "2"  # raise it when the prompt or the scoring below changes
_ALTERNATIVES = 20  # the most that Ollama lists


@dataclass(frozen=True, slots=True)
class PickedOption:
    """`place` among the example's options, from 0, and its share of the probability, None for cosines."""

    place: int
    share: float | None
    model: str
    seconds: float


class Chooser(Protocol):
    """`method` names how it picks, in every result. Raises MlragError where it cannot pick."""

    method: str

    def pick(self, example: Example, passages: Sequence[Document]) -> PickedOption: ...


def list_shifts(options: int, orders: int) -> list[int]:
    """By how much each cyclic order is turned: all of them, or `orders` at even steps. 6 options, 3 -> 0 2 4."""
    count = min(options, orders)
    return [options * n // count for n in range(count)]


def make_turns(
    example: Example, options: Sequence[str], passages: Sequence[Document], lang: Language
) -> tuple[ChatMessage, ...]:
    """The question with lettered options, behind its passages where there are any."""
    p = lang.prompt
    shown = "\n\n".join(f"[{n}] {mark_lines(d.text)}" for n, d in enumerate(passages, 1))
    lettered = "\n".join(f"{LETTERS[n]}. {escape_special_tokens(option)}" for n, option in enumerate(options))
    head = f"{p['passages']}:\n\n{shown}\n\n" if shown else ""
    asked = f"{head}{p['question']}: {escape_special_tokens(example.question)}\n\n{lettered}\n\n{p['answer']}:"
    return ChatMessage("system", p["choice"]), ChatMessage("user", asked)


def make_cloze(example: Example, passages: Sequence[Document], lang: Language, base: bool) -> Call:
    """The question behind its passages, its options not shown; a completion for a base model."""
    p = lang.prompt
    shown = "\n\n".join(f"[{n}] {mark_lines(d.text)}" for n, d in enumerate(passages, 1))
    head = f"{p['passages']}:\n\n{shown}\n\n" if shown else ""
    asked = f"{head}{p['question']}: {escape_special_tokens(example.question)}\n{p['answer']}:"
    system = p["system"].replace("{abstention}", lang.abstention) if shown else p["closed"]
    return Call((), completion=asked) if base else Call((ChatMessage("system", system), ChatMessage("user", asked)))


def letter_scores(listed: Mapping[str, float], options: int) -> list[float] | None:
    """Log-probabilities of the letters among themselves, from those of the first token; None where it lists none.

    Spellings of one letter (" A", "A") are added up. A letter that is not listed has at most the smallest listed
    log-probability, and is given that.
    """
    spelt: dict[str, list[float]] = {}
    for token, value in listed.items():
        spelt.setdefault(token.strip(" \t\n▁Ġ"), []).append(value)
    if not any(letter in spelt for letter in LETTERS[:options]):
        return None
    least = [min(listed.values())]
    raw = [np.logaddexp.reduce(spelt.get(letter, least)) for letter in LETTERS[:options]]
    return [float(value - np.logaddexp.reduce(raw)) for value in raw]


class LetterChooser:
    """A model by the log-probabilities of its first token, averaged over cyclic orders of the options."""

    method = "letter-mc"

    def __init__(self, settings: Settings, variant: str, orders: int) -> None:
        self._settings = settings
        self._variant = variant
        self._orders = orders

    def pick(self, example: Example, passages: Sequence[Document]) -> PickedOption:
        """Raises GeneratorError: for a model without log-probabilities, or one whose first token is no letter."""
        if len(example.options) > len(LETTERS):
            raise GeneratorUnavailableError(f"{len(example.options)} options are more than {len(LETTERS)} letters")
        caller = make_caller(self._settings, self._variant)
        begun, total = perf_counter(), np.zeros(len(example.options))
        turned = list_shifts(len(example.options), self._orders)
        for shift in turned:
            options = [*example.options[shift:], *example.options[:shift]]
            asked = make_turns(example, options, passages, language(example.lang))
            finish = caller.reply(Call(asked, room=1, alternatives=_ALTERNATIVES)).finish
            listed = finish.first_token if finish else {}
            total += np.roll(self._scores(listed, len(options)), shift)
        shares = np.exp(total / len(turned))
        best = int(np.argmax(shares))
        share = float(shares[best] / shares.sum())
        return PickedOption(best, share, caller.model.label(), perf_counter() - begun)

    def _scores(self, listed: Mapping[str, float], options: int) -> list[float]:
        if not listed:
            raise GeneratorUnavailableError(
                f"{self._variant} gives no log-probabilities", "take a backend that does, e.g. Ollama"
            )
        scores = letter_scores(listed, options)
        if scores is None:
            raise BrokenReplyError(f"{self._variant} began with none of the letters, but with {next(iter(listed))!r}")
        return scores


class OptionChooser:
    """A model by the log-likelihood of each option's text as its reply, divided by the option's characters.

    That is lm-eval's acc_norm; raw sums would favour short options.
    """

    method = "option-mc"

    def __init__(self, settings: Settings, variant: str) -> None:
        self._settings = settings
        self._variant = variant

    def pick(self, example: Example, passages: Sequence[Document]) -> PickedOption:
        """`share` is among the options' likelihoods a character. Raises GeneratorError."""
        caller = make_caller(self._settings, self._variant)
        begun, base = perf_counter(), caller.model.base
        texts = [" " * base + escape_special_tokens(option) for option in example.options]
        asked = make_cloze(example, passages, language(example.lang), base)
        sums = np.array(caller.log_likelihoods(asked, texts))
        shares = np.exp(sums / [max(1, len(option)) for option in example.options])
        best = int(np.argmax(shares))
        return PickedOption(best, float(shares[best] / shares.sum()), caller.model.label(), perf_counter() - begun)


class CosineChooser:
    """The option that, behind the question, is nearest to a sentence of the passages. No language model is in it."""

    method = "cosine-mc"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def pick(self, example: Example, passages: Sequence[Document]) -> PickedOption:
        """Raises GeneratorUnavailableError where there is no passage to be near to."""
        begun = perf_counter()
        sentences = [d.text[s.start : s.end] for d in passages for s in sentence_spans(d.text)]
        if not sentences:
            raise GeneratorUnavailableError("without passages there is no sentence for an option to be near to")
        asked = self._embedder.encode_query([f"{example.question} {option}" for option in example.options])
        cosines = asked @ self._embedder.encode_document(sentences).T
        return PickedOption(int(np.argmax(cosines.max(axis=1))), None, self._embedder.name, perf_counter() - begun)


def compute_chance(examples: Sequence[Example]) -> float:
    """The expected accuracy of blind guesses: the mean of 1 / options; NaN for no examples."""
    return float(np.mean([1 / len(e.options) for e in examples])) if examples else math.nan
