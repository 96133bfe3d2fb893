"""python -m eval.instructions: one to five constraints at once, by variant and language; which one is dropped first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import typer
from rich.console import Console

from eval.datasets.own import own_questions
from eval.instructions.figures import sections
from eval.instructions.tasks import Task, tasks
from eval.probes.cli import (
    Concurrency,
    Json,
    Langs,
    Limit,
    Out,
    Variants,
    chosen_languages,
    listed,
    publish,
    settings_with,
    told,
)
from eval.probes.finding import Finding
from eval.probes.run import Asked, Examples, ask_all, direct, models, open_run, sign
from eval.types import Example
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.factory import make_embedder, make_pipeline
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

SUITE = "instructions"
ABOUT = (
    "Small writing tasks over a passage of our corpora, under one to five constraints at once, each in the language of "
    "the task and checked by code that reads any language. The words of the constraints were not checked by native "
    "readers. Extractive reads no instruction: it quotes what fits a question on the same document, and is the floor. "
    "Intervals are Wilson's on the effective sample size, a topic one cluster in all its tasks and languages."
)


def quoting(settings: Settings, examples: Examples) -> Asked:
    """The extractive generator: it is asked a question on each task's document, and may read no other."""
    embedder = make_embedder(settings)
    indexes = FolderIndexes(settings.data_dir / "eval" / "own-index")
    for lang in examples:
        index_documents(read_documents([settings.corpora / lang], lang), indexes, embedder)
    pipeline = make_pipeline(settings, Retriever(indexes, embedder), "extractive", cross_language=False)
    return Asked(pipeline, {lang: _questions(lang, found) for lang, found in examples.items()})


def _questions(lang: str, examples: Sequence[Example]) -> list[Example]:
    asked = {e.cluster: e.question for e in own_questions(lang) if e.id.endswith("-1")}
    return [replace(e, question=asked[e.cluster], only=frozenset(e.gold_docs)) for e in examples]


def measure(
    settings: Settings, langs: Sequence[str], variants: Sequence[str], limit: int | None, at_once: int, console: Console
) -> Finding:
    """Ask what is not on disk yet, and check all of it."""
    found: dict[str, list[Task]] = {lang: tasks(lang, settings.corpora, limit) for lang in langs}
    examples = {lang: [t.example for t in there] for lang, there in found.items()}
    signature = sign(SUITE, settings, examples, limit=limit, embedder=settings.embedder)
    run = open_run(settings, signature)

    def asked(variant: str) -> Asked:
        if parse_variant(variant, settings.variants).backend == "extractive":
            return quoting(settings, examples)
        return Asked(direct(settings, variant), examples)

    rows = ask_all(run, variants, asked, at_once, console)
    pairs = {
        v: {lang: list(zip(found[lang], there, strict=True)) for lang, there in by_lang.items()}
        for v, by_lang in rows.items()
    }
    return Finding(SUITE, run.folder.name, "Constraint stacking", ABOUT, models(rows), sections(pairs), signature)


def main(
    variants: Variants = "extractive",
    langs: Langs = None,
    limit: Limit = None,
    concurrency: Concurrency = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """How many of one to five constraints a variant follows, and which it drops first. A stopped run goes on."""
    console = Console(stderr=True)
    with told(console):
        settings = settings_with(concurrency)
        finding = measure(settings, chosen_languages(langs), listed(variants), limit, settings.concurrency, console)
        publish(finding, settings, out, as_json, console)


if __name__ == "__main__":
    typer.run(main)
