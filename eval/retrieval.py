"""python -m eval.retrieval --data DIR: how well each leg and their fusion find the gold passage, by language."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID
from rich.table import Table

from eval.examples import Example
from eval.ranking import DEPTH, ndcg, recall, reciprocal_rank
from eval.statistics import Interval, clustered_rate
from eval.suites import Suite, index_folder, open_suite
from eval.suites.folder import WHOLE_PASSAGE
from mlrag.assemble import make_embedder
from mlrag.errors import MlragError
from mlrag.index.embedders import Embedder
from mlrag.ingest import index_documents
from mlrag.languages import languages
from mlrag.retrieval import Retriever
from mlrag.settings import Settings

LEGS = ("hybrid", "dense", "lexical")
MEASURES = ("mrr@10", "ndcg@10", "recall@1", "recall@5")
BATCH = 64


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-question values of one language: `values[leg][measure]` is one number in [0, 1] a question."""

    n: int
    values: dict[str, dict[str, list[float]]]
    clusters: list[str]

    def mean(self, leg: str, measure: str) -> float:
        return float(np.mean(self.values[leg][measure]))

    def interval(self, leg: str, measure: str) -> Interval:
        return clustered_rate(self.values[leg][measure], self.clusters)


def score_language(retriever: Retriever, lang: str, examples: Sequence[Example], tick: Callable[[], None]) -> Scores:
    """Rank every question's documents by each leg. Questions without a gold document are left out."""
    asked = [e for e in examples if e.gold_docs and e.only is None]
    values: dict[str, dict[str, list[float]]] = {leg: {m: [] for m in MEASURES} for leg in LEGS}
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        vectors = retriever.embedder.encode_query([e.question for e in batch])
        for example, vector in zip(batch, vectors, strict=True):
            for leg in LEGS:
                ids = retriever.ranking(example.question, lang, leg, DEPTH * 3, vector)
                docs = list(dict.fromkeys(i.rsplit("#", 1)[0] for i in ids))
                values[leg]["mrr@10"].append(reciprocal_rank(docs, example.gold_docs))
                values[leg]["ndcg@10"].append(ndcg(docs, example.gold_docs))
                values[leg]["recall@1"].append(recall(docs, example.gold_docs, 1))
                values[leg]["recall@5"].append(recall(docs, example.gold_docs, 5))
            tick()
    return Scores(len(asked), values, [e.cluster for e in asked])


def evaluate(suite: Suite, folder: Path, embedder: Embedder, limit: int | None, console: Console) -> dict[str, Scores]:
    """Index the suite below `folder` (unchanged passages cost nothing) and score every language that has questions."""
    retriever = Retriever(folder, embedder)
    result: dict[str, Scores] = {}
    for lang in (c for c in languages() if c in suite.documents):
        examples = [*suite.questions.get(lang, []), *suite.retrieval_only.get(lang, [])][:limit]
        if not any(e.gold_docs and e.only is None for e in examples):
            continue
        documents = suite.documents[lang]
        with Bar(console=console, transient=True) as bar:
            index = bar.add_task(f"{lang}: indexing", total=len(documents))
            index_documents(documents, folder, embedder, partial(_advance, bar, index), WHOLE_PASSAGE)
            search = bar.add_task(f"{lang}: searching", total=len(examples))
            result[lang] = score_language(retriever, lang, examples, partial(bar.advance, search))
    return result


def _advance(bar: Bar, task: TaskID, _lang: str, done: int) -> None:
    bar.advance(task, done)


def as_json(result: dict[str, Scores]) -> dict[str, object]:
    """The shape that programs rely on."""
    by_lang = {
        lang: {leg: {m: round(s.mean(leg, m), 4) for m in MEASURES} for leg in LEGS} | {"n": s.n}
        for lang, s in result.items()
    }
    mean = {
        leg: {m: round(float(np.mean([s.mean(leg, m) for s in result.values()])), 4) for m in MEASURES} for leg in LEGS
    }
    return {"mean": mean, "languages": by_lang}


def as_table(result: dict[str, Scores], title: str) -> Table:
    table = Table(title=title)
    table.add_column("lang")
    table.add_column("n", justify="right")
    for leg in LEGS:
        table.add_column(f"{leg} MRR@10 [95 %]", justify="right")
        table.add_column("nDCG@10", justify="right")
        table.add_column("R@1", justify="right")
        table.add_column("R@5", justify="right")
    for lang, scores in result.items():
        cells = []
        for leg in LEGS:
            ci = scores.interval(leg, "mrr@10")
            cells += [f"{scores.mean(leg, 'mrr@10'):.3f} [{ci.low:.3f}, {ci.high:.3f}]"]
            cells += [f"{scores.mean(leg, m):.3f}" for m in MEASURES[1:]]
        table.add_row(lang, str(scores.n), *cells)
    means = as_json(result)["mean"]
    assert isinstance(means, dict)
    row = [f"{means[leg][m]:.3f}" for leg in LEGS for m in MEASURES]
    table.add_row("mean", str(sum(s.n for s in result.values())), *row, style="bold")
    return table


def main(
    data: Annotated[Path, typer.Option(help="A folder of *.passages.jsonl and *.questions.jsonl.")],
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many questions a language.")] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Retrieval quality of the dense leg, the lexical leg and their fusion on a set you bring."""
    console = Console(stderr=True)
    try:
        settings = Settings()
        suite = open_suite(data, langs.split(",") if langs else None, settings.data_dir)
        embedder = make_embedder(settings)
        folder = index_folder(data, settings.data_dir)
        result = evaluate(suite, folder, embedder, limit, console)
    except MlragError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from None
    if not result:
        console.print("[red]no question there has a gold passage in an installed language[/red]")
        raise typer.Exit(1)
    if as_json_:
        print(json.dumps(as_json(result), indent=1))  # noqa: T201
    else:
        Console().print(as_table(result, f"{data} · {suite.card.name} · {embedder.name} ({embedder.engine})"))


if __name__ == "__main__":
    typer.run(main)
