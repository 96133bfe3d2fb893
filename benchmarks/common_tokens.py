"""python -m benchmarks.common_tokens [--data FOLDER …] [--beside FOLDER] [--langs …] [--limit N]: the rule that tokens
standing in many passages are left out of the lexical query (`mlrag.index.fusion`), at five shares beside none.

Our own test questions over our documents (with `--beside` those of that folder too, as more to find them among), and
the sets named. The rule is applied at every size; in use it is off below fusion.LARGE passages. All differences are to
none, paired, with a bootstrap over clusters. Nothing is chosen by them here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from eval.datasets import OWN, Dataset, index_folder, open_dataset
from eval.datasets.folder import WHOLE_PASSAGE
from eval.datasets.own import read_jsonl, sample_examples
from eval.metrics.ranking import DEPTH, recall, reciprocal_rank
from eval.retrieval import asked_in, own_suite
from eval.statistics import Interval, paired_bootstrap
from eval.types import Example
from mlrag.answering.retriever import Retriever
from mlrag.factory import make_embedder
from mlrag.index import fusion
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import Ranker
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import languages
from mlrag.settings import Settings
from mlrag.text.normalize import clean
from mlrag.types import Document

SHARES = {"none": 1.0, "> 1/2": 1 / 2, "> 1/3": 1 / 3, "> 1/5": 1 / 5, "> 1/10": 1 / 10, "> 1/20": 1 / 20}
LEGS: tuple[Ranker, ...] = ("hybrid", "lexical")
MEASURES = ("MRR@10", "recall@1")
_BATCH = 64
_NONE = next(iter(SHARES))


@dataclass(frozen=True, slots=True)
class Scored:
    """One language of a set. `values[share, leg, measure]` is a number in [0, 1] a question; `postings[share]` how many
    passages the tokens looked for stand in, added up, a question."""

    lang: str
    passages: int
    clusters: list[str]
    values: dict[tuple[str, str, str], list[float]]
    postings: dict[str, list[float]]

    def mean(self, share: str, leg: str, measure: str) -> float:
        return float(np.mean(self.values[share, leg, measure]))

    def wire(self) -> dict[str, object]:
        """Means alone."""
        means = {" ".join(k): round(float(np.mean(v)), 4) for k, v in self.values.items()}
        postings = {k: round(float(np.mean(v)), 1) for k, v in self.postings.items()}
        return {"lang": self.lang, "passages": self.passages, "n": len(self.clusters)} | means | {"postings": postings}


def floor(share: float) -> float:
    """The idf of a token that stands in this share of very many passages."""
    return math.log(1 / share)


def looked_for(terms: Mapping[str, float], share: float) -> tuple[str, ...]:
    """The tokens of a question, with their idf, that are looked for; all where none tells."""
    return tuple(t for t, idf in terms.items() if idf >= floor(share)) or tuple(terms)


@contextmanager
def left_out(share: float) -> Iterator[None]:
    """Inside, the lexical leg leaves out what stands in more than this share, whatever the index's size."""
    before = fusion.LARGE, fusion.TELLING
    fusion.LARGE, fusion.TELLING = 0, floor(share)
    try:
        yield
    finally:
        fusion.LARGE, fusion.TELLING = before


def scored(retriever: Retriever, lang: str, examples: Sequence[Example], tick: Callable[[], None]) -> Scored:
    """Every question with a gold document, at every share."""
    asked = [e for e in examples if e.gold_docs and e.only is None]
    index = retriever.index(lang)
    lexical = index.refresh().lexical  # type: ignore[attr-defined]
    found = Scored(lang, len(lexical), [e.cluster for e in asked], {}, {})
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        vectors = retriever.embedder.encode_query([e.question for e in batch])
        for example, vector in zip(batch, vectors, strict=True):
            terms = lexical.idf(example.question)
            counts = {t: (len(lexical) + 1) / math.exp(idf) - 0.5 for t, idf in terms.items()}  # `idf` turned round
            known: dict[tuple[str, ...], dict[tuple[str, str], float]] = {}
            for name, share in SHARES.items():
                tokens = looked_for(terms, share)
                if tokens not in known:
                    with left_out(share):
                        known[tokens] = _ranked(retriever, lang, example, vector)
                for (leg, measure), value in known[tokens].items():
                    found.values.setdefault((name, leg, measure), []).append(value)
                found.postings.setdefault(name, []).append(sum(counts[t] for t in tokens))
            tick()
    return found


def _ranked(
    retriever: Retriever, lang: str, example: Example, vector: NDArray[np.float32]
) -> dict[tuple[str, str], float]:
    values = {}
    for leg in LEGS:
        ids = retriever.rank(example.question, lang, leg, DEPTH * 3, vector)
        docs = list(dict.fromkeys(i.rsplit("#", 1)[0] for i in ids))
        values[leg, "MRR@10"] = reciprocal_rank(docs, example.gold_docs)
        values[leg, "recall@1"] = recall(docs, example.gold_docs, 1)
    return values


def difference(some: Sequence[Scored], share: str, leg: str, measure: str) -> tuple[float, Interval]:
    """The mean over languages of this share minus none, in points, and its interval."""

    def table(name: str) -> NDArray[np.float64]:
        """A row a question; of its language's two columns, the value and 1."""
        rows = np.zeros((sum(len(s.clusters) for s in some), 2 * len(some)))
        at = 0
        for column, one in enumerate(some):
            values = one.values[name, leg, measure]
            rows[at : at + len(values), 2 * column] = values
            rows[at : at + len(values), 2 * column + 1] = 1
            at += len(values)
        return rows

    def mean(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return np.asarray((sums[:, ::2] / sums[:, 1::2]).mean(1))

    clusters = [c for s in some for c in s.clusters]
    value = float(np.mean([s.mean(share, leg, measure) - s.mean(_NONE, leg, measure) for s in some]))
    found = paired_bootstrap(table(share), table(_NONE), mean, clusters)
    return 100 * value, Interval(100 * found.low, 100 * found.high)


def row(name: str, some: Sequence[Scored], share: str) -> str:
    """A line of the table, in percent and points."""
    cells = [name, f"{sum(s.passages for s in some)}", str(sum(len(s.clusters) for s in some)), share]
    cells.append(f"{np.mean([np.mean(s.postings[share]) for s in some]):.0f}")
    for leg in LEGS:
        for measure in MEASURES:
            text = f"{100 * np.mean([s.mean(share, leg, measure) for s in some]):.2f}"
            if share != _NONE:
                value, ends = difference(some, share, leg, measure)
                text += f" ({value:+.2f} [{ends.low:+.2f}, {ends.high:+.2f}])"
            cells.append(text)
    return f"| {' | '.join(cells)} |"


def lines(name: str, found: Sequence[Scored]) -> Iterator[str]:
    """The means of a set; of the languages that the rule is on for, and the others; then every language."""
    large = [s for s in found if s.passages >= fusion.LARGE]
    small = [s for s in found if s.passages < fusion.LARGE]
    groups = [(f"{name}: rule on", large), (f"{name}: rule off in use", small)]
    groups = [(title, some) for title, some in groups if len(some) > 1] + [(f"{name}: {s.lang}", [s]) for s in found]
    for title, some in groups:
        yield from (row(title, some, share) for share in SHARES)


def with_documents(suite: Dataset, folder: Path | None) -> Dataset:
    """The set with the texts of `LANG.docs.jsonl` in a folder as more documents."""
    for lang in suite.documents if folder else ():
        path = Path(str(folder)) / f"{lang}.docs.jsonl"
        more = read_jsonl(path) if path.is_file() else ()
        suite.documents[lang].extend(Document(r["pid"], lang, clean(r["text"]), r.get("title", "")) for r in more)
    return suite


def measured(name: str, suite: Dataset, retriever: Retriever, limit: int | None, console: Console) -> list[Scored]:
    """Every language of a set that has questions; indexed first."""
    size, found = None if suite.card is OWN else WHOLE_PASSAGE, []
    for lang in (c for c in languages() if c in suite.documents):
        examples = sample_examples(asked_in(suite, lang, ""), limit)
        if any(e.gold_docs and e.only is None for e in examples):
            with Progress(console=console, transient=True) as bar:
                task = bar.add_task(f"{name} {lang}: indexing", total=None)
                index_documents(suite.documents[lang], retriever.indexes, retriever.embedder, chunk_size=size)
                bar.update(task, description=f"{name} {lang}: asking", total=len(examples))
                found.append(scored(retriever, lang, examples, partial(bar.advance, task)))
            console.print(f"{name} {lang}: {len(found[-1].clusters)} questions")
    return found


def main(
    data: Annotated[list[Path] | None, typer.Option(help="A set, as `python -m eval.retrieval` takes it.")] = None,
    beside: Annotated[Path | None, typer.Option(help="LANG.docs.jsonl to find our own questions' among.")] = None,
    own: Annotated[bool, typer.Option(help="Our own questions too.")] = True,
    langs: Annotated[str, typer.Option(help="Only these, e.g. en,ta.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many questions a language.")] = None,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path("var/common_tokens.json"),
) -> None:
    """Measure and print."""
    settings, console, show = Settings(), Console(stderr=True), Console(width=400, highlight=False, markup=False)
    embedder, only = make_embedder(settings), langs.split(",") if langs else None
    sets: dict[str, tuple[Dataset, Path]] = {}
    if own:
        place = settings.data_dir / "eval" / (f"own-{beside.name}-index" if beside else "own-index")
        sets["own"] = with_documents(own_suite(settings.corpora, only), beside), place
    for path in data or []:
        sets[path.name] = open_dataset(path, only, settings.data_dir), index_folder(path, settings.data_dir)
    show.print(
        "| set | passages | n | left out | postings a question | "
        + " | ".join(f"{leg} {measure}" for leg in LEGS for measure in MEASURES)
        + " |\n|---"
        + "|---" * 8
        + "|"
    )
    kept = {}
    for name, (suite, folder) in sets.items():
        found = measured(name, suite, Retriever(FolderIndexes(folder), embedder), limit, console)
        for line in lines(name, found):
            show.print(line)
        kept[name] = [s.wire() for s in found]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
