"""One evaluation: its corpus, its index, its questions, and the asking of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlrag
from eval.datasets import OWN, Suite, index_folder, open_suite
from eval.datasets.folder import WHOLE_PASSAGE
from eval.datasets.own import Example, article_removed, drawn, own_questions
from eval.metrics.answers import chrf_signature
from eval.runner.closed_book import ClosedBook
from eval.runner.cross_lingual import SOURCE, crossed, keep, search
from eval.runner.hosts import Hosts, by_host
from eval.runner.plan import Plan, base_of, is_closed, write_plan
from eval.runner.rows import Asker, Prediction, Run
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.errors import CorpusFormatError
from mlrag.factory import make_embedder, make_pipeline
from mlrag.generation.prompts import VERSION
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages
from mlrag.models.route_file import route_version
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings
from mlrag.types import Document

SEED = 0  # of the models' sampling and of every resampling


def own_examples(lang: str, limit: int | None) -> list[Example]:
    """Our test questions, and each answerable one again with its gold document hidden."""
    asked = drawn(own_questions(lang), limit)
    return asked + [article_removed(e) for e in asked if e.answerable]


def suite_examples(suite: Suite, lang: str, limit: int | None) -> list[Example]:
    """A set's questions, and its removed ones: its own list where it has one, else made from the golds."""
    asked = drawn(suite.questions.get(lang, []), limit)
    given = drawn(suite.unanswerable.get(lang, []), limit)
    made = [r for e in asked if e.answerable and (r := suite.removed(e))] if not given else []
    return asked + (given or made)


class Bench:
    """Indexes the documents, then asks variants. `plan` and `run` are there once `index` is done."""

    plan: Plan
    run: Run

    def __init__(
        self,
        settings: Settings,
        data: Path | None,
        langs: list[str] | None,
        limit: int | None,
        hosts: Sequence[str] = (),
    ) -> None:
        """`hosts`: several servers of a model's backend, in place of the one that the settings name."""
        self.settings = settings
        self.hosts = hosts
        self._limit = limit
        self._suite = open_suite(data, langs, settings.data_dir) if data else None
        if (
            self._suite
            and not self.has_passages
            and any(e.options for es in self._suite.questions.values() for e in es)
        ):
            raise CorpusFormatError(f"{data} is multiple choice", f"ask it with: python -m eval.choice --data {data}")
        self._data = str(data) if data else "our own questions, test split"
        self.folder = index_folder(data, settings.data_dir) if data else settings.data_dir / "eval" / "own-index"
        self.langs = self._choose(langs)
        self.examples = {lang: self._examples(lang) for lang in self.langs}
        self.documents = {lang: self._documents(lang) for lang in self.langs}
        self.embedder = make_embedder(settings)
        self._retriever = Retriever(FolderIndexes(self.folder), self.embedder, settings.withhold_orders)
        self._askers: dict[str, Asker] = {}

    @property
    def has_passages(self) -> bool:
        return self._suite is None or bool(self._suite.documents)

    def asked(self, variant: str) -> Mapping[str, Sequence[Example]]:
        """What a variant is asked, by language."""
        return self.plan.asked(variant)

    def _choose(self, langs: list[str] | None) -> list[str]:
        for code in langs or []:
            language(code)
        own = (c for c in languages() if (self.settings.corpora / c).is_dir())
        there = set(self._suite.questions if self._suite else own)
        chosen = [c for c in languages() if c in there and (not langs or c in langs)]
        if not chosen:
            raise CorpusFormatError(
                "there is nothing to ask", "no installed language has questions and documents there"
            )
        return chosen

    def _documents(self, lang: str) -> list[Document]:
        if self._suite:
            return self._suite.documents.get(lang, [])
        return list(read_documents([self.settings.corpora / lang], lang))

    def _examples(self, lang: str) -> list[Example]:
        """Raises CorpusFormatError where two have the same id: rows are kept by it."""
        found = suite_examples(self._suite, lang, self._limit) if self._suite else own_examples(lang, self._limit)
        seen: set[str] = set()
        twice = next((e.id for e in found if e.id in seen or seen.add(e.id)), None)  # type: ignore[func-returns-value]
        if twice is not None:
            raise CorpusFormatError(f"two questions in {lang!r} have the id {twice!r}", "give each its own qid")
        return found

    def index(self, tick: Callable[[int], None]) -> None:
        """Index what is not there yet; then the run has its name, its folder and its plan."""
        size = WHOLE_PASSAGE if self._suite else None
        for lang in self.langs:
            index_documents(self.documents[lang], self._retriever.indexes, self.embedder, lambda _l, n: tick(n), size)
        self.plan = Plan(self._sign(), self.examples)
        self.run = Run(self.settings.data_dir / "runs" / self.plan.name)
        write_plan(self.run.folder, self.plan)

    def _sign(self) -> dict[str, Any]:
        """All that a figure depends on, but the variant and with it thinking."""
        s = self.settings
        return {
            "data": self._data,
            "suite": asdict(self._suite.card if self._suite else OWN),
            "corpus_and_questions": self._content_hash(),
            "langs": self.langs,
            "limit": self._limit,
            "embedder": f"{self.embedder.name} ({self.embedder.engine})",
            "index_commits": {x: self._retriever.index(x).store.commit for x in self.langs if self.documents[x]},
            "k": s.k,
            "code": mlrag.__version__,
            "code_hash": hash_of(["*.py", "*.json"]),
            "packs": hash_of(["*.toml"]),
            "prompts": VERSION,
            "withhold_orders": s.withhold_orders,
            "own_variants": {name: asdict(v) for name, v in sorted(s.variants.items())},
            "fallback": s.fallback,
            "route": route_version(s.route_file),
            "filter": s.filter
            and f"{s.filter} {sorted(s.filter_thresholds.items())} {s.filter_on_failure} {s.filter_translator}".strip(),
            "chrf": chrf_signature(),
            "seed": SEED,
        }

    def _content_hash(self) -> str:
        digest = hashlib.sha256()
        for lang in self.langs:
            for document in self.documents[lang]:
                digest.update(document.content_hash.encode())
            for e in self.examples[lang]:
                digest.update(f"{e.id}\0{e.question}\0{sorted(e.hidden)}\0{e.answers}".encode())
        return digest.hexdigest()[:16]

    def cross(self) -> None:
        """Ask the English questions of every language's documents, where the two are parallel; kept beside the rows."""
        given = self._suite.questions.get(SOURCE, []) if self._suite else own_questions(SOURCE)
        some = drawn(given, self._limit)
        asked = {lang: crossed(some, self.examples[lang], self.documents[lang], lang) for lang in self.langs}
        keep(self.run.folder, search(self._retriever, {k: v for k, v in asked.items() if v}, self.settings.k))

    def finished(self, variant: str) -> int:
        """How many rows of a variant need not be asked again."""
        there = (set(self.run.finished(variant, lang)) for lang in self.langs)
        return sum(e.id in ids for lang, ids in zip(self.langs, there, strict=True) for e in self.asked(variant)[lang])

    def ask(
        self, variant: str, lang: str, tick: Callable[[], None], concurrency: int | None = None
    ) -> Sequence[Prediction]:
        """A variant's predictions in one language: those that are stored, and the others asked now.

        At most `concurrency` questions at once; None: 1 for extractive, which keeps this machine busy alone, else as
        many as the settings allow a backend, on each of its hosts.
        """
        return self.complete(variant, lang, self.asked(variant)[lang], tick, concurrency)

    def asker(self, variant: str) -> Asker:
        """Who answers under a variant's name, made once."""
        if variant not in self._askers:
            self._askers[variant] = make_asker(self.settings, self._retriever, variant, self.hosts)
        return self._askers[variant]

    def complete(
        self,
        variant: str,
        lang: str,
        examples: Sequence[Example],
        tick: Callable[[], None] = lambda: None,
        concurrency: int | None = None,
    ) -> list[Prediction]:
        """Any examples of the language, in order; rows that this run has already are not asked again."""
        at_once = concurrency or (1 if self.is_extractive(variant) else self.at_models)
        return self.run.complete(self.asker(variant), examples, variant, lang, tick, at_once)

    def is_extractive(self, variant: str) -> bool:
        return parse_variant(base_of(variant), self.settings.variants).backend == "extractive"

    @property
    def at_models(self) -> int:
        """Questions that a model's hosts may have at once."""
        return self.settings.concurrency * max(1, len(self.hosts))


def make_asker(settings: Settings, retriever: Retriever, variant: str, hosts: Sequence[str] = ()) -> Asker:
    """Who answers under a variant's name, over one or several hosts of its backend."""

    def asker(own: Settings) -> Asker:
        if is_closed(variant):
            return ClosedBook(own, variant)
        return make_pipeline(own, retriever, variant, cross_language=False)

    several = by_host(settings, variant, hosts)
    return Hosts({url: asker(own) for url, own in several.items()}) if several else asker(settings)


def hash_of(patterns: Sequence[str]) -> str:
    """Answering code and calibration, or packs: a change of any starts a new run."""
    root = Path(mlrag.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(p for pattern in patterns for p in root.rglob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
