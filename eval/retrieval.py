"""python -m eval.retrieval: how well each ranker and their fusion find the gold passage, by language, or across two."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID
from rich.table import Table

from eval.datasets import OWN, Dataset, index_folder, open_dataset
from eval.datasets.folder import WHOLE_PASSAGE
from eval.datasets.own import own_questions, sample_examples
from eval.metrics.ranking import DEPTH, ndcg, recall, reciprocal_rank
from eval.report.tables import format_estimate
from eval.runner.cross_lingual import make_cross_lingual
from eval.statistics import Interval, clustered_rate
from eval.types import Example
from mlrag.answering.retriever import Retriever
from mlrag.console import exit_on_error, print_error
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.factory import make_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import Ranker
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages
from mlrag.settings import Settings

RANKERS: tuple[Ranker, ...] = ("hybrid", "dense", "lexical")
MEASURES = ("mrr@10", "ndcg@10", "recall@1", "recall@5")
BATCH = 64


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-question values of one language: `values[ranker][measure]` is one number in [0, 1] a question."""

    n: int
    values: dict[str, dict[str, list[float]]]
    clusters: list[str]

    def mean(self, ranker: str, measure: str) -> float:
        return float(np.mean(self.values[ranker][measure]))

    def interval(self, ranker: str, measure: str) -> Interval:
        return clustered_rate(self.values[ranker][measure], self.clusters)


def score_language(retriever: Retriever, lang: str, examples: Sequence[Example], tick: Callable[[], None]) -> Scores:
    """Rank every question's documents by each ranker. Questions without a gold document are left out."""
    questions = [e for e in examples if e.gold_docs and e.only is None]
    values: dict[str, dict[str, list[float]]] = {ranker: {m: [] for m in MEASURES} for ranker in RANKERS}
    for start in range(0, len(questions), BATCH):
        batch = questions[start : start + BATCH]
        vectors = retriever.embedder.encode_query([e.question for e in batch])
        for example, vector in zip(batch, vectors, strict=True):
            for ranker in RANKERS:
                ids = retriever.rank(example.question, lang, ranker, DEPTH * 3, vector)
                docs = list(dict.fromkeys(i.rsplit("#", 1)[0] for i in ids))
                values[ranker]["mrr@10"].append(reciprocal_rank(docs, example.gold_docs))
                values[ranker]["ndcg@10"].append(ndcg(docs, example.gold_docs))
                values[ranker]["recall@1"].append(recall(docs, example.gold_docs, 1))
                values[ranker]["recall@5"].append(recall(docs, example.gold_docs, 5))
            tick()
    return Scores(len(questions), values, [e.cluster for e in questions])


def own_suite(corpora: Path, langs: Collection[str] | None) -> Dataset:
    """Return our own test questions and documents as a set."""
    codes = [c for c in languages() if (corpora / c).is_dir() and (not langs or c in langs)]
    documents = {code: list(read_documents([corpora / code], code)) for code in codes}
    return Dataset(corpora, documents, {code: own_questions(code) for code in codes}, {}, {}, OWN)


def asked_in(suite: Dataset, lang: str, cross: str) -> list[Example]:
    """Return the questions to a language's documents: its own, or those of `cross` where the two are parallel."""
    questions = [*suite.questions.get(lang, []), *suite.retrieval_only.get(lang, [])]
    if not cross:
        return questions
    source = [*suite.questions.get(cross, []), *suite.retrieval_only.get(cross, [])]
    return make_cross_lingual(source, questions, suite.documents[lang], lang)


def evaluate(
    suite: Dataset,
    folder: Path,
    embedder: Embedder,
    limit: int | None,
    console: Console,
    langs: Collection[str] | None = None,
    cross: str = "",
) -> dict[str, Scores]:
    """Index the suite below `folder` (unchanged passages cost nothing) and score every language that has questions.

    `langs`: only these. `cross`: ask the questions of this language of all.
    """
    retriever = Retriever(FolderIndexes(folder), embedder)
    result: dict[str, Scores] = {}
    for lang in (c for c in languages() if c in suite.documents and (not langs or c in langs)):
        examples = sample_examples(asked_in(suite, lang, cross), limit)
        if not any(e.gold_docs and e.only is None for e in examples):
            continue
        documents = suite.documents[lang]
        size = None if suite.card is OWN else WHOLE_PASSAGE
        with Bar(console=console, transient=True) as bar:
            index = bar.add_task(f"{lang}: indexing", total=len(documents))
            index_documents(documents, retriever.indexes, embedder, partial(_advance, bar, index), size)
            search = bar.add_task(f"{lang}: searching", total=len(examples))
            result[lang] = score_language(retriever, lang, examples, partial(bar.advance, search))
    return result


def _advance(bar: Bar, task: TaskID, _lang: str, done: int) -> None:
    bar.advance(task, done)


def _means(result: dict[str, Scores]) -> dict[str, dict[str, float]]:
    """Return the means over the languages, by ranker and measure."""
    means: dict[str, dict[str, float]] = {}
    for ranker in RANKERS:
        means[ranker] = {}
        for measure in MEASURES:
            values = [scores.mean(ranker, measure) for scores in result.values()]
            means[ranker][measure] = round(float(np.mean(values)), 4)
    return means


def _rounded_interval(scores: Scores, ranker: str, measure: str) -> list[float]:
    interval = scores.interval(ranker, measure)
    return [round(interval.low, 4), round(interval.high, 4)]


def as_json(result: dict[str, Scores]) -> dict[str, object]:
    """Return the shape that programs rely on."""
    languages_: dict[str, object] = {}
    for lang, scores in result.items():
        intervals: dict[str, object] = {}
        by_ranker: dict[str, object] = {}
        for ranker in RANKERS:
            by_ranker[ranker] = {m: round(scores.mean(ranker, m), 4) for m in MEASURES}
            intervals[ranker] = {m: _rounded_interval(scores, ranker, m) for m in MEASURES}
        languages_[lang] = by_ranker | {"intervals": intervals, "n": scores.n}
    return {"mean": _means(result), "languages": languages_}


def as_table(result: dict[str, Scores], title: str, cross: str = "") -> Table:
    """Return what 80 columns hold: the fusion in full, the MRR of each ranker. Other intervals are in the JSON."""
    first, *others = RANKERS
    head = (f"{cross}→L" if cross else "lang", "n", f"{first}\nMRR@10 [95 %]", "nDCG\n@10", "R@1", "R@5")
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, name in enumerate((*head, *(f"{ranker}\nMRR@10" for ranker in others))):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for lang, scores in result.items():
        interval = scores.interval(first, "mrr@10")
        cells = [format_estimate(scores.mean(first, "mrr@10"), interval, scale=1, digits=3)]
        cells += [f"{scores.mean(first, m):.3f}" for m in MEASURES[1:]]
        table.add_row(lang, str(scores.n), *cells, *(f"{scores.mean(ranker, 'mrr@10'):.3f}" for ranker in others))
    means = _means(result)
    row = [*means[first].values(), *(means[ranker]["mrr@10"] for ranker in others)]
    table.add_row("mean", str(sum(s.n for s in result.values())), *(f"{v:.3f}" for v in row), style="bold")
    return table


def main(
    data: Annotated[
        Path | None, typer.Option(help="A set: a file, a folder or hub:NAME; our own questions without it.")
    ] = None,
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most N questions a language.")] = None,
    cross: Annotated[
        str, typer.Option(help="Ask this language's questions of every language's documents, e.g. en.")
    ] = "",
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Retrieval quality of the dense ranker, the lexical ranker and their fusion on a set you bring."""
    console = Console(stderr=True)
    with exit_on_error():
        settings = Settings()
        only = langs.split(",") if langs else None
        for code in [*(only or []), *([cross] if cross else [])]:
            language(code)
        read = [*only, cross] if only and cross else only
        suite = open_dataset(data, read, settings.data_dir) if data else own_suite(settings.corpora, read)
        embedder = make_embedder(settings)
        folder = index_folder(data, settings.data_dir) if data else settings.data_dir / "eval" / "own-index"
        result = evaluate(suite, folder, embedder, limit, console, only, cross)
    if not result:
        parallel = f", of questions in {cross} with a parallel one" if cross else ""
        print_error(f"no question there has a gold passage in an installed language{parallel}")
        raise typer.Exit(1)
    if as_json_:
        print(json.dumps(as_json(result), indent=1))  # noqa: T201
    else:
        title = " · ".join([*([str(data)] if data else []), suite.card.name, f"{embedder.name} ({embedder.engine})"])
        Console().print(as_table(result, title, cross))


if __name__ == "__main__":
    typer.run(main)
