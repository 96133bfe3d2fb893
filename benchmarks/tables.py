"""python -m benchmarks.tables [--data DIR] [--limit N]: the tier table with answerers whose faults are known.

The models are scripts behind Ollama's stand-in, each under a tag that says what it does. The table must show what
each does, after the guards: a reader who is right seven times in ten, one who changes a digit, one who answers in
English, one who takes the sentence most like the question, one who never answers. `--gguf` adds a real small model.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import regex
import typer

from eval.datasets import open_dataset
from eval.datasets.own import own_questions
from eval.metrics.answers import containment
from eval.types import Example
from mlrag.languages import Language, languages
from mlrag.testing import FakeOllama, first_sentence
from mlrag.testing.server import prompt_of
from mlrag.text.sentences import sentence_spans
from mlrag.text.special_tokens import escape_special_tokens

HOUSE = Path(__file__).resolve().parent.parent
_PASSAGE = regex.compile(r"^\[(\d+)\] (.+?)(?=\n\n|\Z)", regex.MULTILINE | regex.DOTALL)
_MARKS = regex.compile(r"¦ ?")
_DIGIT = regex.compile(r"\p{Nd}")
Sentence = tuple[int, str]  # the passage's number, and a sentence of it


def drawn(name: str, share: float) -> bool:
    """True for that share of names, always for the same ones."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 < share


@cache
def grams(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 3] for i in range(len(text) - 2))


class Answerers:
    """What each tag answers, given the key to the questions."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._by_question = {(e.lang, escape_special_tokens(e.question)): e for e in examples}
        self.tags: dict[str, Callable[[dict[str, Any]], str]] = {
            "first-sentence": first_sentence,
            "closest-sentence": self.closest,
            "right-7-in-10": self.reader,
            "changes-digits": self.changes_digits,
            "answers-in-english": lambda _body: "[1] It is written there that the answer is known to everybody.",
            "never-answers": lambda body: self.asked(prompt_of(body))[0].abstention,
        }

    def __call__(self, body: dict[str, Any]) -> str:
        return self.tags[body["model"].partition(":")[0]](body)

    def asked(self, prompt: str) -> tuple[Language, str]:
        """The language and the question of a prompt."""
        for pack in languages().values():
            _, found, rest = prompt.rpartition(f"\n\n{pack.prompt['question']}: ")
            question = rest.partition("\n")[0]
            if found and (pack.code, question) in self._by_question:
                return pack, question
        raise LookupError(f"no question of the set in: {prompt[-200:]}")

    def sentences(self, prompt: str) -> list[Sentence]:
        shown = prompt.rpartition("\n\n")[0] if "\n\n" in prompt else prompt
        found = [(int(n), _MARKS.sub("", text)) for n, text in _PASSAGE.findall(shown)]
        return [(n, text[s.start : s.end].strip()) for n, text in found for s in sentence_spans(text)]

    def closest(self, body: dict[str, Any]) -> str:
        prompt = prompt_of(body)
        pack, question = self.asked(prompt)
        best = max(self.sentences(prompt), key=lambda s: len(grams(s[1]) & grams(question)), default=None)
        return said(best, pack)

    def reader(self, body: dict[str, Any]) -> str:
        """Right in seven of ten, silent in eight of ten where it should be; else the closest sentence."""
        prompt = prompt_of(body)
        pack, question = self.asked(prompt)
        example = self._by_question[pack.code, question]
        holding = [s for s in self.sentences(prompt) if containment(s[1], example.answers, pack)]
        if not holding:  # unanswerable, or its article is not among the passages
            return self.closest(body) if drawn(question, 0.2) else pack.abstention
        return said(holding[0], pack) if drawn(question, 0.7) else self.closest(body)

    def changes_digits(self, body: dict[str, Any]) -> str:
        """The reader, half of whose numbers are wrong by a digit."""
        reply = self.reader(body)
        mark, _, rest = reply.partition(" ")
        if not rest or drawn(reply, 0.5):
            return reply
        return f"{mark} {_DIGIT.sub(lambda m: str((int(m.group()) + 1) % 10), rest, count=1)}"


def said(sentence: Sentence | None, pack: Language) -> str:
    """As an answer of one cited sentence."""
    return f"[{sentence[0]}] {sentence[1]}" if sentence else pack.abstention


def examples_of(data: Path | None, langs: Sequence[str]) -> list[Example]:
    if data is None:
        return [e for lang in langs for e in own_questions(lang)]
    suite = open_dataset(data, langs, HOUSE / "var" / "hub")
    return [e for found in (suite.questions, suite.unanswerable) for several in found.values() for e in several]


def main(
    data: Annotated[Path | None, typer.Option(help="A set; our own questions without it.")] = None,
    langs: Annotated[str | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int | None, typer.Option(help="Questions a language.")] = None,
    gguf: Annotated[Path | None, typer.Option(help="A real small model to run too.")] = None,
    tags: Annotated[str | None, typer.Option(help="Only these scripts.")] = None,
) -> None:
    """Run eval.tiers with the scripts, and print its table."""
    answerers = Answerers(examples_of(data, langs.split(",") if langs else sorted(languages())))
    chosen = tags.split(",") if tags else list(answerers.tags)
    variants = ["extractive", *chosen, *([f"llamacpp:{gguf}"] if gguf else [])]
    command = [sys.executable, "-m", "eval.tiers", "--variants", ",".join(variants)]
    given = {"--data": data, "--langs": langs, "--limit": limit}
    command += [str(part) for name, value in given.items() if value for part in (name, value)]
    with FakeOllama(models=tuple(answerers.tags), reply=answerers) as double:
        environment = os.environ | {"MLRAG_OLLAMA_HOST": double.url}
        raise typer.Exit(subprocess.run(command, cwd=HOUSE, env=environment).returncode)


if __name__ == "__main__":
    typer.run(main)
