"""python benchmarks/promise.py: does the guard keep the promise when a model misbehaves? Through stand-ins.

1. A model that replies in English 30 % of the time: share of answers in another language than asked, scored by
   the bench's own scorer (`eval.metrics.reply_language`) and not by the guard.
2. A model that invents a number in half of its replies: inventions that reach the reader unflagged.
3. 200 calls at once over every fault: does any outlive its deadline?
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import regex
from rich.console import Console

from eval.datasets.own import own_questions
from eval.metrics.reply_language import ReplyLanguage, reply_language
from eval.statistics import wilson
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.errors import GeneratorError
from mlrag.factory import make_embedder
from mlrag.generation.backends.base import Timeouts
from mlrag.generation.backends.ollama import OllamaChat
from mlrag.generation.base import Request
from mlrag.generation.chat_generator import ChatGenerator
from mlrag.generation.client import BackendLimits, ModelClient
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages
from mlrag.settings import Settings
from mlrag.testing import FakeOllama, first_sentence
from mlrag.types import Answer

FAULTS = ("", "busy", "crash", "garbage", "hang", "hang_midway", "cut", "error_midway", "bad_json", "empty",
          "length", "no_done", "repeat", "think_forever", "cut_prompt")  # fmt: skip
ENGLISH = "According to the documents this happened in the early morning, near the old harbour of the town. [1]"
Asked = tuple[str, str, Answer]


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with Wilson's 95 % interval."""

    bad: int
    n: int

    def __str__(self) -> str:
        interval = wilson(self.bad / self.n, self.n)
        return f"{self.bad} of {self.n} ({100 * interval.low:.2f}-{100 * interval.high:.2f} %)"


def over(retriever: Retriever, double: FakeOllama, timeout: float = 30.0) -> Pipeline:
    """A pipeline that asks a double."""
    model = OllamaChat("gemma4:e4b", double.url)
    caller = ModelClient(model, BackendLimits(model.host, 8), Timeouts(first=timeout, total=timeout))
    return Pipeline(retriever, ChatGenerator(caller), cross_language=False, timeout=timeout)


def ask_all(pipeline: Pipeline, count: int) -> list[Asked]:
    """`count` answers to our own questions, the languages by turns."""
    by_lang = [[(code, e.question) for e in own_questions(code)] for code in languages()]
    turns = [pair for pairs in zip(*by_lang, strict=False) for pair in pairs][:count]
    return [(code, question, pipeline.ask(question, code)) for code, question in turns]


def sometimes(share: float, other: Callable[[dict[str, Any]], str], seed: int = 0) -> Callable[[dict[str, Any]], str]:
    """First sentences, and with a chance of `share` what `other` says."""
    dice = random.Random(seed)
    return lambda body: other(body) if dice.random() < share else first_sentence(body)


def wrong_language(retriever: Retriever, count: int, share: float = 0.3) -> tuple[Share, Share]:
    """(answers in another language, abstentions) among `count`, where the model often replies in English."""
    with FakeOllama(reply=sometimes(share, lambda _: ENGLISH)) as double:
        answers = ask_all(over(retriever, double), count)
    wrong = sum(
        reply_language(a.text, language(code)) not in (ReplyLanguage.ASKED, ReplyLanguage.SKIPPED)
        for code, _, a in answers
    )
    return Share(wrong, len(answers)), Share(sum(a.abstained for *_, a in answers), len(answers))


def inventions(retriever: Retriever, count: int, share: float = 0.5) -> tuple[Share, Share]:
    """(invented numbers shown to the reader, abstentions) among `count`."""

    def invent(body: dict[str, Any]) -> str:
        honest = first_sentence(body)
        return regex.sub(r"^(\X+?)( ?\[1\])$", r"\1 (98765) [1]", honest)

    with FakeOllama(reply=sometimes(share, invent)) as double:
        answers = ask_all(over(retriever, double), count)
    shown = sum("98765" in a.text for *_, a in answers)
    return Share(shown, len(answers)), Share(sum(a.abstained for *_, a in answers), len(answers))


def longest(retriever: Retriever, calls: int, deadline: float) -> tuple[float, Share]:
    """(longest wall seconds beyond the deadline, calls that ended in an answer) over `calls` faulted calls at once."""
    evidence = retriever.search("How long is the Nile?", "en")

    def one(number: int) -> tuple[float, bool]:
        begun = time.monotonic()
        try:
            ChatGenerator(callers[number % len(callers)]).generate(Request(language("en"), evidence))
        except GeneratorError:
            return time.monotonic() - begun, False
        return time.monotonic() - begun, True

    doubles = [FakeOllama(fault=fault) for fault in FAULTS]
    for double in doubles:
        double.__enter__()
    try:
        callers = [
            ModelClient(
                m := OllamaChat("gemma4:e4b", d.url),
                BackendLimits(m.host, calls),
                Timeouts(first=deadline, total=deadline),
            )
            for d in doubles
        ]
        with ThreadPoolExecutor(calls) as pool:
            done = list(pool.map(one, range(calls)))
    finally:
        for double in doubles:
            double.__exit__()
    return max(seconds for seconds, _ in done) - deadline, Share(sum(ok for _, ok in done), calls)


def main() -> None:
    console = Console()
    settings = Settings()
    embedder = make_embedder(settings)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        documents = [d for c in languages() for d in read_documents([settings.corpora / c], c)]
        index_documents(documents, FolderIndexes(Path(folder)), embedder)
        retriever = Retriever(FolderIndexes(Path(folder)), embedder)
        wrong, refused = wrong_language(retriever, 1000)
        console.print(f"English 30 % of the time: wrong language {wrong}; abstained {refused}")
        shown, refused = inventions(retriever, 1000)
        console.print(f"numbers invented half the time: shown unflagged {shown}; abstained {refused}")
        beyond, answered = longest(retriever, 200, 5.0)
        console.print(f"200 faulted calls at once, deadline 5 s: longest {beyond:+.2f} s; answered {answered}")


if __name__ == "__main__":
    main()
