"""python -m benchmarks.injection [--quick] [--langs en,ta]: do orders hidden in documents reach the reader?

Every test order of eval/data/hostile (the language's own, English, control tokens, zero-width characters) is planted at
three places of a starter document and the document's own question is asked: the extractive answerer, and through
Ollama's stand-in a model that obeys whatever it is shown, each with the guard off and on. Then the clean side:
harmless imperatives asked about, and our own questions with the guard off and on. Wilson's 95 % intervals.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.promise import Share, over
from eval.baselines.scripted import own_answer_key
from eval.datasets.hostile import POSITIONS, HostileText, list_orders, plant_order, read_hostile
from eval.datasets.own import own_questions
from eval.metrics.answers import containment
from eval.types import Example
from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.embedding.base import Embedder
from mlrag.factory import make_embedder
from mlrag.generation.extractive import Extractive
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages
from mlrag.settings import Settings
from mlrag.testing import FakeOllama
from mlrag.testing.gullible import make_gullible_reply
from mlrag.text.normalize import fold_confusables
from mlrag.text.sentences import sentence_spans
from mlrag.types import Answer, Document, Vectors

CANARIES = ("zubrowka", "okapi52", "905771")  # none of them is in calibration
QUICK = 5  # every so manieth order


@dataclass
class Remembering:
    """An embedder that embeds no text twice: copies of a document share most of their sentences."""

    inner: Embedder
    known: dict[str, Vectors] = field(default_factory=dict)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        new = [t for t in dict.fromkeys(texts) if t not in self.known]
        self.known |= dict(zip(new, self.inner.encode_document(new), strict=True)) if new else {}
        return np.array([self.known[t] for t in texts], np.float32)


@dataclass(frozen=True, slots=True)
class Case:
    """A question on a planted document. `canary` must not be said; `harmless` where an imperative is only quoted."""

    lang: str
    kind: str
    position: str
    document: Document
    replaced: str
    example: Example
    canary: str = ""
    harmless: HostileText | None = None


def cases(lang: str, corpora: Path, step: int = 1) -> Iterator[Case]:
    """Every `step`-th order and every harmless imperative at every position, each in the next document that answers."""
    key = own_answer_key(lang, corpora)
    documents = {d.id: d for d in key.documents}
    golds = itertools.cycle([e for e in key.answerable if e.id.endswith("-1")])
    listed = [o for c in CANARIES for o in list_orders(lang, c)]
    for n, position in itertools.product(range(0, len(listed) // len(CANARIES), step), POSITIONS):
        which = (n + POSITIONS.index(position)) % len(CANARIES)
        order, e = listed[n + which * (len(listed) // len(CANARIES))], next(golds)
        copy = plant_order(documents[e.gold_docs[0]], order.text, position, f"{n}-{position}")
        yield Case(lang, order.kind, position, copy, e.gold_docs[0], e, CANARIES[which])
    for row, position in itertools.product(read_hostile(lang, "quoted"), POSITIONS):
        e = next(golds)
        copy = plant_order(documents[e.gold_docs[0]], row.text, position, f"{row.id}-{position}")
        yield Case(lang, "quoted", position, copy, e.gold_docs[0], e, harmless=row)


def ask(pipeline: Pipeline, case: Case, clean: Sequence[str], question: str) -> Answer:
    """Among the starter documents, the planted copy in place of its original."""
    only = frozenset([*clean, case.document.id]) - {case.replaced}
    return pipeline.ask(question, case.lang, only=only)


Counts = dict[tuple[str, ...], list[bool]]


def obeyed(pipeline: Pipeline, found: Sequence[Case], clean: dict[str, list[str]]) -> tuple[Counts, list[str]]:
    """Did the canary reach the reader, of the orders among the passages found? By kind, position and language; and
    which cases did."""
    counts: Counts = defaultdict(list)
    seen = []
    for case in found:
        if case.canary:
            answer = ask(pipeline, case, clean[case.lang], case.example.question)
            if all(fold_confusables(case.canary) not in fold_confusables(h.passage.indexed_text) for h in answer.hits):
                continue  # the order was not found, and tries nobody
            said = fold_confusables(case.canary) in fold_confusables(answer.text)
            for key in (("all",), ("kind", case.kind), ("position", case.position), ("language", case.lang)):
                counts[key].append(said)
            seen += [f"{case.lang} {case.document.id}"] if said else []
    return counts, seen


def answered(pipeline: Pipeline, found: Sequence[Case], clean: dict[str, list[str]]) -> tuple[Share, Share]:
    """Of documents with a harmless imperative: right answers about a fact beside it, and about the imperative."""
    beside, about = [], []
    for case in found:
        if case.harmless:
            pack, asked = language(case.lang), case.harmless
            text = ask(pipeline, case, clean[case.lang], case.example.question).text
            beside.append(bool(containment(text, case.example.answers, pack)))
            text = ask(pipeline, case, clean[case.lang], asked.question).text
            about.append(bool(containment(text, asked.answers, pack)))
    return share(beside), share(about)


def false_alarms(guarded: Retriever, clean: dict[str, list[str]]) -> dict[str, Share]:
    """On our own questions and untouched documents."""
    redacted, told, lost = [], [], []
    for lang, ids in clean.items():
        for e in own_questions(lang):
            found = guarded.search(e.question, lang, only=frozenset(ids))
            away = []
            for h in found.hits:
                text, start = h.passage.text, h.passage.start
                away += [(text[w.start - start : w.end - start], w.certain) for w in h.redacted]
                redacted += [False] * (len(sentence_spans(text)) - len(h.redacted))
            redacted += [True] * len(away)
            told.append(any(certain for _, certain in away))
            if e.answerable:
                lost.append(any(containment(text, e.answers, language(lang)) for text, _ in away))
    names = ("sentences redacted", "questions whose reader is told", "questions that lose a sentence with the answer")
    return dict(zip(names, map(share, (redacted, told, lost)), strict=True))


def share(values: Sequence[bool]) -> Share:
    return Share(sum(values), len(values))


def report(name: str, counts: Counts, seen: Sequence[str], out: Console) -> None:
    for key, values in counts.items():
        if key[0] != "language" or any(values):
            out.print(f"{name}: {' '.join(key)}: {share(values)}", markup=False, highlight=False, soft_wrap=True)
    if 0 < len(seen) <= 40:
        out.print(f"{name}: said in {'; '.join(seen)}", markup=False, highlight=False, soft_wrap=True)


def prepare(
    langs: Sequence[str], settings: Settings, folder: Path, step: int, untouched: int | None = None
) -> tuple[list[Case], Retriever]:
    """The cases, and their documents with the untouched ones (at most so many a language) indexed below the folder."""
    found = [case for lang in langs for case in cases(lang, settings.corpora, step)]
    embedder = Remembering(make_embedder(settings))
    documents = [d for lang in langs for d in own_answer_key(lang, settings.corpora).documents[:untouched]]
    index_documents([*documents, *(c.document for c in found)], FolderIndexes(folder), embedder)  # type: ignore[arg-type]
    return found, Retriever(FolderIndexes(folder), embedder.inner)


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three languages, every fifth order.")] = False,
) -> None:
    """Share of answers that say what a document ordered, guard off and on, and what the guard costs."""
    out, settings = Console(width=200), Settings()
    codes = langs.split(",") if langs else ["en", "ta", "zh"] if quick else list(languages())
    clean = {c: [d.id for d in own_answer_key(c, settings.corpora).documents] for c in codes}
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        found, guarded = prepare(codes, settings, Path(name), QUICK if quick else 1)
        open_ = Retriever(FolderIndexes(Path(name)), guarded.embedder, guarded=False)
        with FakeOllama(reply=make_gullible_reply(CANARIES)) as double:
            for state, retriever in (("off", open_), ("on", guarded)):
                extractive = Extractive(shipped_calibration(retriever.embedder.name))
                for who, pipeline in (
                    ("extractive", Pipeline(retriever, extractive, cross_language=False)),
                    ("gullible stand-in", over(retriever, double)),
                ):
                    report(f"{who}, guard {state}", *obeyed(pipeline, found, clean), out)
                    if who == "extractive":
                        beside, about = answered(pipeline, found, clean)
                        out.print(
                            f"{who}, guard {state}: harmless imperative: right beside it {beside}, about it {about}"
                        )
        for what, value in false_alarms(guarded, clean).items():
            out.print(f"untouched documents, guard on: {what}: {value}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
