"""python benchmarks/hostile_text.py: is every citation verbatim over hostile Unicode?

Documents are the starter corpora with hostile characters spliced in, read from JSON lines by the real reader and
indexed; questions are pieces of their sentences, spoilt in the same way. Extractive, then through Ollama's stand-in.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.promise import Share, over
from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.errors import QuestionError
from mlrag.factory import make_embedder
from mlrag.generation.extractive import Extractive
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.settings import Settings
from mlrag.testing import FakeOllama, first_sentence
from mlrag.text.sentences import sentence_spans
from mlrag.types import Answer, Document

LANGS = ("en", "si", "ta", "hi", "ar", "ja", "zh", "ko")
HOSTILE = (
    "\u200d", "\u200c", "\u200b", "\ufeff", "\u00ad", "\u2060",  # joiners and invisible marks
    "ක්\u200dෂ", "ශ්\u200dරී", "क्\u200dष", "ක්\u200dර්\u200dය",  # conjuncts
    "\u0301\u0323\u0308\u0336" * 5, "\u0315\u0300\u05ae\u0062", "e\u0301", "\u1100\u1161\u11a8", "\u0958", "\u212b",
    "\u202e", "\u2067", "\u2069", "\u200f", "\u061c", "\u202a", "\u05d0\u05d1", "\ufefb", "\u0640",  # right to left
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U00020000", "\U0001d4d0", "\U0001f1f1\U0001f1f0", "\U0010ffff",
    "\0", "\ud83d", "\udc00", "\u2028", "\x85", "\x0b", "\r\n", "\r", "\u0130", "\ufb03", "\ufdfa", "¦", "[1]",
)  # fmt: skip


def spoilt(text: str, dice: random.Random, share: float = 0.03) -> str:
    """A text with hostile characters between about `share` of its characters."""
    return "".join(c + dice.choice(HOSTILE) if dice.random() < share else c for c in text)


def hostile_index(embedder: Embedder, folder: Path, corpora: Path, langs: Sequence[str], each: int) -> list[Document]:
    """`each` spoilt documents of every language, indexed below `folder`."""
    dice = random.Random(0)
    documents: list[Document] = []
    for code in langs:
        clean_ones = list(read_documents([corpora / code], code))[:each]
        path = folder / f"{code}.jsonl"
        rows = ({"id": d.id, "title": spoilt(d.title, dice), "text": spoilt(d.text, dice)} for d in clean_ones)
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        documents += read_documents([path], code)
    index_documents(documents, FolderIndexes(folder / "index"), embedder)
    return documents


def question(document: Document, dice: random.Random) -> str:
    """A piece of one of its sentences, spoilt."""
    span = dice.choice(sentence_spans(document.text))
    start = dice.randrange(span.start, span.end)
    return spoilt(document.text[start : start + dice.randrange(20, 120)], dice, 0.02)


def problems(answer: Answer, texts: Mapping[str, str]) -> list[str]:
    """What is wrong with an answer's text and citations; nothing for a good one."""
    found = []
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in answer.text):
        found.append("no text")
    if not answer.citations:
        found.append("uncited")
    for c in answer.citations:
        part = answer.text[c.answer_start : c.answer_end]
        if not c.quote or texts[c.doc_id][c.start : c.end] != c.quote:
            found.append("not verbatim")
        if not 0 <= c.answer_start <= c.answer_end <= len(answer.text):
            found.append("slice outside the answer")
        if answer.model == "extractive" and part != c.quote:
            found.append("slice is not the quote")
    return found


def failures(pipeline: Pipeline, documents: Sequence[Document], count: int) -> tuple[Share, Share, list[str]]:
    """(answers with a problem among `count`, abstentions among the questions it took, problems seen)."""
    dice, texts = random.Random(1), {d.id: d.text for d in documents}
    bad = answered = asked = 0
    seen: set[str] = set()
    while answered < count and asked < 10 * count:
        document = dice.choice(documents)
        try:
            answer = pipeline.ask(question(document, dice), document.lang)
        except QuestionError:  # nothing visible is left of it
            continue
        asked += 1
        if not answer.abstained:
            answered += 1
            found = problems(answer, texts)
            bad += bool(found)
            seen |= set(found)
    return Share(bad, answered), Share(asked - answered, asked), sorted(seen)


def styles(seed: int = 0) -> Any:
    """First sentences in the shapes that models write: mark behind, before, twice, inside; with a quote line."""
    dice = random.Random(seed)

    def reply(body: dict[str, Any]) -> str:
        sentence = first_sentence(body).removesuffix(" [1]")
        half = len(sentence) // 2
        shapes = [f"{sentence} [1]", f"[1] {sentence} [1]", f"  {sentence}[1] {sentence} [1]"]
        shapes += [f'[1] "{sentence}"\n---\n{sentence} [1]', f"{sentence[:half]} [1]{sentence[half:]} [1]", sentence]
        return dice.choice(shapes)

    return reply


def main() -> None:
    console, settings = Console(), Settings()
    embedder = make_embedder(settings)
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        documents = hostile_index(embedder, Path(name), settings.corpora, LANGS, 8)
        retriever = Retriever(FolderIndexes(Path(name) / "index"), embedder)
        extractive = Pipeline(retriever, Extractive(shipped_calibration(embedder.name)), cross_language=False)
        bad, refused, seen = failures(extractive, documents, 10_000)
        console.print(f"extractive: answers with a problem {bad} {seen}; abstained {refused}")
        with FakeOllama(reply=styles()) as double:
            bad, refused, seen = failures(over(retriever, double), documents, 300)
        console.print(f"through Ollama's stand-in: answers with a problem {bad} {seen}; abstained {refused}")


if __name__ == "__main__":
    main()
