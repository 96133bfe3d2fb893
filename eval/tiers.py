"""python -m eval.tiers: accuracy and hallucination by language tier, for any variant, on this machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import mlrag
from eval.bleu import Bleu, corpus_bleu
from eval.closed_book import ClosedBook, is_closed, with_closed_book
from eval.examples import Example, article_removed, own_questions
from eval.metrics import chrf_signature
from eval.report.pages import Tables, write_pages
from eval.report.tables import COLUMNS, DETAIL_TITLES, cell, detail_rows, show
from eval.runs import Prediction, Run
from eval.scores import Report, collect, summarise
from eval.suites import OWN, Suite, index_folder, open_suite
from eval.suites.folder import WHOLE_PASSAGE
from mlrag.assemble import make_embedder, make_pipeline
from mlrag.corpus.loaders import read_documents
from mlrag.errors import CorpusFormatError, MlragError
from mlrag.ingest import index_documents
from mlrag.languages import language, languages
from mlrag.retrieval import Retriever
from mlrag.settings import Settings


def own_examples(lang: str, limit: int | None) -> list[Example]:
    """Our test questions, and each answerable one again with its gold document hidden."""
    asked = own_questions(lang)[:limit]
    return asked + [article_removed(e) for e in asked if e.answerable]


def suite_examples(suite: Suite, lang: str, limit: int | None) -> list[Example]:
    """A set's questions, and its removed ones: its own list where it has one, else made from the golds."""
    asked = suite.questions.get(lang, [])[:limit]
    given = suite.unanswerable.get(lang, [])[:limit]
    made = [r for e in asked if e.answerable and (r := suite.removed(e))] if not given else []
    return asked + (given or made)


class Bench:
    """One evaluation: its corpus, its questions, its rows."""

    def __init__(
        self,
        settings: Settings,
        data: Path | None,
        langs: list[str] | None,
        limit: int | None,
        out: Path | None,
    ) -> None:
        self.settings = settings
        self._limit = limit
        self._embedder = make_embedder(settings)
        self._suite = open_suite(data, langs, settings.data_dir) if data else None
        if (
            self._suite
            and not self.has_passages
            and any(e.options for es in self._suite.questions.values() for e in es)
        ):
            raise CorpusFormatError(f"{data} is multiple choice", f"ask it with: python -m eval.choice --data {data}")
        self.data = str(data) if data else "our own questions, test split"
        here = index_folder(data, settings.data_dir) if data else settings.data_dir / "eval" / "own-index"
        self._retriever = Retriever(here, self._embedder)
        self._folder = here
        self.langs = self._choose(langs)
        self.signature = self._sign()
        self.name = hashlib.sha256(json.dumps(self.signature, sort_keys=True).encode()).hexdigest()[:10]
        self.run = Run(settings.data_dir / "runs" / self.name)
        self.out = out or settings.data_dir / "reports" / self.name

    def _choose(self, langs: list[str] | None) -> list[str]:
        for code in langs or []:
            language(code)
        there = (
            self._suite.questions if self._suite else {c for c in languages() if (self.settings.corpora / c).is_dir()}
        )
        chosen = [c for c in languages() if c in there and (not langs or c in langs)]
        if not chosen:
            raise CorpusFormatError(
                "there is nothing to ask", "no installed language has questions and documents there"
            )
        return chosen

    def documents(self, lang: str) -> list[Any]:
        return (
            self._suite.documents.get(lang, [])
            if self._suite
            else list(read_documents([self.settings.corpora / lang], lang))
        )

    def examples(self, lang: str, variant: str = "") -> list[Example]:
        """A closed book is asked what has an answer only: whether passages hold it is no question there."""
        found = suite_examples(self._suite, lang, self._limit) if self._suite else own_examples(lang, self._limit)
        return [replace(e, gold_docs=()) for e in found if e.answers] if is_closed(variant) else found

    @property
    def has_passages(self) -> bool:
        return self._suite is None or bool(self._suite.documents)

    def _sign(self) -> dict[str, Any]:
        """All that a figure depends on, but the variant."""
        digest = hashlib.sha256()
        for lang in self.langs:
            for document in self.documents(lang):
                digest.update(document.content_hash.encode())
            for example in self.examples(lang):
                digest.update(f"{example.id}\0{example.question}\0{sorted(example.hidden)}".encode())
        return {
            "data": self.data,
            "suite": asdict(self._suite.card if self._suite else OWN),
            "corpus_and_questions": digest.hexdigest()[:16],
            "langs": self.langs,
            "limit": self._limit,
            "embedder": f"{self._embedder.name} ({self._embedder.engine})",
            "k": self.settings.k,
            "code": mlrag.__version__,
            "generator": code_hash(),
            "chrf": chrf_signature(),
            "seed": 0,
        }

    def index(self, tick: Any) -> None:
        size = WHOLE_PASSAGE if self._suite else None
        for lang in self.langs:
            index_documents(self.documents(lang), self._folder, self._embedder, lambda _l, n: tick(n), size)

    def ask(self, variant: str, lang: str, tick: Any) -> list[Prediction]:
        return self.complete(variant, lang, self.examples(lang, variant), tick)

    def complete(self, variant: str, lang: str, examples: list[Example], tick: Any = lambda: None) -> list[Prediction]:
        """Any examples of the language, in order; rows that this run has already are not asked again."""
        asker = (
            ClosedBook(self.settings, variant)
            if is_closed(variant)
            else make_pipeline(self.settings, self._retriever, variant, cross_language=False)
        )
        return self.run.complete(asker, examples, variant, lang, tick)


def code_hash() -> str:
    """Prompts, packs, calibration and answering code: a change of any starts a new run."""
    root = Path(mlrag.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.toml"), *root.rglob("*.json")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def evaluate(bench: Bench, variants: list[str], console: Console) -> dict[str, Any]:
    """Run every variant in every language and score it. A variant that cannot run is a row that says why."""
    result: dict[str, Any] = {"signature": bench.signature, "run": bench.name, "variants": {}}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("indexing", total=sum(len(bench.documents(c)) for c in bench.langs))
        bench.index(lambda n: bar.advance(task, n))
        for variant in variants:
            result["variants"][variant] = _evaluate_variant(bench, variant, bar)
    return result


def _evaluate_variant(bench: Bench, variant: str, bar: Progress) -> dict[str, Any]:
    task = bar.add_task(variant, total=sum(len(bench.examples(c, variant)) for c in bench.langs))
    by_lang: dict[str, Report] = {}
    bleus: dict[str, Bleu | None] = {}
    details: dict[str, list[tuple[Example, Prediction]]] = {}
    pooled: dict[str, dict[str, list[tuple[str, float]]]] = {}
    rows_of: dict[str, list[Prediction]] = {}
    for lang in bench.langs:
        examples = bench.examples(lang, variant)
        predictions = bench.ask(variant, lang, lambda: bar.advance(task))
        rows = collect(examples, predictions, language(lang))
        by_lang[lang] = summarise(rows, predictions)
        details[lang] = list(zip(examples, predictions, strict=True))
        asked = [(e, p) for e, p in details[lang] if e.answers and not p.error]
        said = ["" if p.abstained else p.text for _, p in asked]
        bleus[lang] = corpus_bleu(said, [e.answers for e, _ in asked], language(lang))
        tier = f"T{language(lang).tier}"
        for name, found in rows.items():
            pooled.setdefault(tier, {}).setdefault(name, []).extend(found)
        rows_of.setdefault(tier, []).extend(predictions)
    models = sorted({p.model for ps in rows_of.values() for p in ps if p.model})
    tiers = {t: summarise(pooled[t], rows_of[t]) for t in sorted(pooled)}
    return {"models": models, "tiers": tiers, "languages": by_lang, "bleu": bleus, "details": details}


def table_rows(result: dict[str, Any]) -> list[list[str]]:
    """One row a variant and tier, then a variant and language; a failed one says why."""
    rows = []
    for variant, found in result["variants"].items():
        label = f"{variant} ({', '.join(found['models']) or 'did not run'})"
        for group in ("tiers", "languages"):
            for name, report in found[group].items():
                rows.append([label, name, str(report.n), *_cells(report)])
    return rows


def _cells(report: Report) -> list[str]:
    if report.failed == report.n:
        return [f"did not run: {report.reason}", *[""] * len(COLUMNS)]
    cells = [cell(report.figures.get(key)) for key, _ in COLUMNS]
    failed = f" ({report.failed} failed: {report.reason})" if report.failed else ""
    return [*cells, f"{report.p50:.3f} / {report.p95:.3f}{failed}"]


def markdown(result: dict[str, Any]) -> str:
    head = ["variant (model)", "tier or language", "rows", *(title for _, title in COLUMNS), "s p50 / p95"]
    lines = [
        "# Tier table",
        "",
        "Percent [95 % interval] n. Summary: harmonic mean of what replies to answerable questions are worth and of "
        "silence where it is due. Hallucination: answered though no passage holds the answer. "
        "Error: abstained though one does. Rates: Wilson on the effective sample size; means: cluster bootstrap.",
        "",
    ]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in table_rows(result)]
    lines += ["", "## More figures", "", "What each means: docs/measurement.md.", ""]
    lines += ["| variant | tier or language | " + " | ".join(DETAIL_TITLES) + " |"]
    lines += ["|" + "---|" * (len(DETAIL_TITLES) + 2)]
    lines += ["| " + " | ".join(row) + " |" for row in detail_rows(result)]
    lines += ["", "```json", json.dumps(result["signature"], ensure_ascii=False, indent=1), "```", ""]
    return "\n".join(lines)


def as_json(result: dict[str, Any]) -> dict[str, Any]:
    variants = {
        name: {
            "models": v["models"],
            **{g: {k: asdict(r) for k, r in v[g].items()} for g in ("tiers", "languages")},
            "bleu": {k: asdict(b) for k, b in v["bleu"].items() if b},
        }
        for name, v in result["variants"].items()
    }
    return {"run": result["run"], "signature": result["signature"], "variants": variants}


def main(
    langs: Annotated[str | None, typer.Option(help="Only these, e.g. ta,si.")] = None,
    variants: Annotated[str, typer.Option(help="extractive, e2b, e4b, 12b, 26b, 31b, any tag; +think.")] = "extractive",
    data: Annotated[Path | None, typer.Option(help="A set: a path or hub:NAME; our questions without it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many questions a language.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; var/reports/<run> without it.")] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
    closed_book: Annotated[bool, typer.Option(help="Ask each variant without passages too.")] = False,
) -> None:
    """Accuracy and hallucination by language tier, with intervals. A stopped run goes on where it stopped."""
    console = Console(stderr=True)
    try:
        bench = Bench(Settings(), data, langs.split(",") if langs else None, limit, out)
        names = [v.strip() for v in variants.split(",") if v.strip()]
        result = evaluate(bench, with_closed_book(names, closed_book, bench.has_passages), console)
    except (MlragError, ValueError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    bench.out.mkdir(parents=True, exist_ok=True)
    (bench.out / "tiers.md").write_text(markdown(result), encoding="utf-8")
    (bench.out / "tiers.json").write_text(json.dumps(as_json(result), ensure_ascii=False, indent=1), encoding="utf-8")
    tables = Tables(table_rows(result), [title for _, title in COLUMNS], detail_rows(result), list(DETAIL_TITLES))
    write_pages(bench.out, result, tables)
    if as_json_:
        print(json.dumps(as_json(result), ensure_ascii=False))  # noqa: T201
    else:
        show(result, Console())
    console.print(f"report: {bench.out}/index.html", markup=False)


if __name__ == "__main__":
    typer.run(main)
