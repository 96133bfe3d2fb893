"""python -m eval.instructions: one to five constraints at once, by variant and language; which one is dropped first."""

from __future__ import annotations

from dataclasses import replace

import typer

from eval.datasets.own import own_questions
from eval.instructions.metrics import make_sections
from eval.instructions.tasks import make_tasks
from eval.probes.cli import Limit, make_command
from eval.probes.report import Section
from eval.probes.run import (
    Examples,
    PreparedProbe,
    ProbeRequest,
    Respondent,
    Rows,
    ask_directly,
    open_run,
    pair_rows,
    sign,
)
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.factory import make_embedder, make_pipeline
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings

PROBE = "instructions"
ABOUT = (
    "Small writing tasks over a passage of our corpora, under one to five constraints at once. Each constraint is in "
    "the language of the task, and is checked by code that reads any language. No native reader has checked their "
    "wording. Extractive reads no instruction: it quotes what fits a question on the same document, and is the lower "
    "bound. Intervals are Wilson's on the effective sample size; a topic is one cluster in all its tasks and languages."
)


def make_extractive(settings: Settings, examples: Examples) -> Respondent:
    """Return the extractive generator; it is asked a question on each task's document, and may read no other."""
    embedder = make_embedder(settings)
    indexes = FolderIndexes(settings.data_dir / "eval" / "own-index")
    questions = {}
    for lang, of_language in examples.items():
        index_documents(read_documents([settings.corpora / lang], lang), indexes, embedder)
        by_topic = {e.cluster: e.question for e in own_questions(lang) if e.id.endswith("-1")}
        questions[lang] = [replace(e, question=by_topic[e.cluster], only=frozenset(e.gold_docs)) for e in of_language]
    pipeline = make_pipeline(settings, Retriever(indexes, embedder), "extractive", cross_language=False)
    return Respondent(pipeline, questions)


def prepare(request: ProbeRequest, limit: Limit = None) -> PreparedProbe:
    """How many of one to five constraints a variant follows, and which it drops first. A stopped run goes on."""
    settings = request.settings
    tasks = {lang: make_tasks(lang, settings.corpora, limit) for lang in request.langs}
    examples = {lang: [task.example for task in of_language] for lang, of_language in tasks.items()}
    signature = sign(PROBE, settings, examples, limit=limit, embedder=settings.embedder)

    def respondent(variant: str) -> Respondent:
        if parse_variant(variant, settings.variants).backend == "extractive":
            return make_extractive(settings, examples)
        return Respondent(ask_directly(settings, variant), examples)

    def sections(rows: Rows) -> tuple[Section, ...]:
        return make_sections({variant: pair_rows(tasks, by_lang) for variant, by_lang in rows.items()})

    run = open_run(PROBE, settings, signature)
    return PreparedProbe(PROBE, "Constraint stacking", ABOUT, run, request.variants, respondent, sections, signature)


main = make_command(prepare, "extractive")

if __name__ == "__main__":
    typer.run(main)
