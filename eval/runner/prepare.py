"""What an evaluation needs before anything is asked: its questions, its documents, an index, a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlrag
from eval.datasets import OWN, Dataset, index_folder, open_dataset
from eval.datasets.folder import WHOLE_PASSAGE
from eval.datasets.own import article_removed, own_questions, sample_examples
from eval.metrics.answers import chrf_signature
from eval.results.cross_lingual import CrossLingualRow
from eval.runner.cross_lingual import SOURCE, make_cross_lingual, search, write_cross_lingual
from eval.runner.plan import SEED, RunPlan, hash_package_files, write_plan
from eval.runner.rows import RowStore
from eval.types import Example
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.errors import CorpusFormatError
from mlrag.factory import make_embedder
from mlrag.generation.prompts import VERSION
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import language, languages
from mlrag.models.route_file import route_version
from mlrag.settings import Settings
from mlrag.types import Document


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """The questions and documents of an evaluation, by language. `suite` is None for our own questions."""

    label: str
    suite: Dataset | None
    limit: int | None
    examples: Mapping[str, Sequence[Example]]
    documents: Mapping[str, Sequence[Document]]
    index_folder: Path

    @property
    def langs(self) -> list[str]:
        return list(self.examples)

    @property
    def has_passages(self) -> bool:
        return self.suite is None or bool(self.suite.documents)


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that can be asked: its plan, the store of its rows, and a retriever over its index.

    `hosts`: several servers of a model's backend, in place of the one that the settings name.
    """

    settings: Settings
    data: EvaluationData
    plan: RunPlan
    rows: RowStore
    retriever: Retriever
    hosts: Sequence[str] = ()


def load_data(settings: Settings, path: Path | None, langs: Sequence[str] | None, limit: int | None) -> EvaluationData:
    """Read the questions and documents of a set, or our own without `path`; at most `limit` questions a language.

    Raises CorpusFormatError for a set of multiple choice, for one without anything to ask in an installed language,
    and where two questions share an id; UnknownLanguageError.
    """
    suite = open_dataset(path, langs, settings.data_dir) if path else None
    if suite and not suite.documents and _has_options(suite):
        raise CorpusFormatError(f"{path} is multiple choice", f"ask it with: python -m eval.choice --data {path}")
    chosen = _choose_languages(settings, suite, langs)
    examples, documents = {}, {}
    for lang in chosen:
        examples[lang] = suite_examples(suite, lang, limit) if suite else own_examples(lang, limit)
        _check_ids(examples[lang], lang)
        documents[lang] = _read_documents(settings, suite, lang)
    label = str(path) if path else "our own questions, test split"
    folder = index_folder(path, settings.data_dir) if path else settings.data_dir / "eval" / "own-index"
    return EvaluationData(label, suite, limit, examples, documents, folder)


def _has_options(suite: Dataset) -> bool:
    return any(e.options for examples in suite.questions.values() for e in examples)


def _choose_languages(settings: Settings, suite: Dataset | None, langs: Sequence[str] | None) -> list[str]:
    for code in langs or []:
        language(code)
    available = suite.questions if suite else [c for c in languages() if (settings.corpora / c).is_dir()]
    chosen = [c for c in languages() if c in available and (not langs or c in langs)]
    if not chosen:
        raise CorpusFormatError("there is nothing to ask", "no installed language has questions and documents there")
    return chosen


def _read_documents(settings: Settings, suite: Dataset | None, lang: str) -> Sequence[Document]:
    if suite:
        return suite.documents.get(lang, [])
    return list(read_documents([settings.corpora / lang], lang))


def own_examples(lang: str, limit: int | None) -> list[Example]:
    """Return our test questions, and each answerable one again with its gold document hidden."""
    questions = sample_examples(own_questions(lang), limit)
    return questions + [article_removed(e) for e in questions if e.answerable]


def suite_examples(suite: Dataset, lang: str, limit: int | None) -> list[Example]:
    """Return a set's questions and its unanswerable ones: its own list where it has one, else made from the golds."""
    questions = sample_examples(suite.questions.get(lang, []), limit)
    unanswerable = sample_examples(suite.unanswerable.get(lang, []), limit)
    if not unanswerable:
        removed = [suite.remove_article(e) for e in questions if e.answerable]
        unanswerable = [e for e in removed if e]
    return questions + unanswerable


def _check_ids(examples: Sequence[Example], lang: str) -> None:
    """Raise CorpusFormatError where two examples share an id: rows are stored by it."""
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise CorpusFormatError(f"two questions in {lang!r} have the id {example.id!r}", "give each its own qid")
        seen.add(example.id)


def prepare(
    settings: Settings,
    data: EvaluationData,
    hosts: Sequence[str] = (),
    tick: Callable[[int], None] = lambda _: None,
    *,
    cross_lingual: bool = True,
) -> PreparedRun:
    """Index what is not indexed yet, write the plan, and search for English questions in every language.

    `tick` is called with the number of documents just indexed. `cross_lingual`: whether to do that search, whose rows
    lie next to the run's.
    """
    embedder = make_embedder(settings)
    retriever = Retriever(FolderIndexes(data.index_folder), embedder, settings.filter_prompt_injection)
    passage_size = WHOLE_PASSAGE if data.suite else None  # a set's passages are indexed as they are
    for lang in data.langs:
        index_documents(data.documents[lang], retriever.indexes, embedder, lambda _, n: tick(n), passage_size)
    plan = RunPlan(_sign(settings, data, retriever), data.examples)
    rows = RowStore(settings.data_dir / "runs" / plan.name)
    write_plan(rows.folder, plan)
    if cross_lingual:
        write_cross_lingual(rows.folder, _search_across_languages(data, retriever, settings.k))
    return PreparedRun(settings, data, plan, rows, retriever, hosts)


def _search_across_languages(data: EvaluationData, retriever: Retriever, k: int) -> list[CrossLingualRow]:
    """Ask the English questions of every language's documents, where the two are parallel."""
    questions = data.suite.questions.get(SOURCE, []) if data.suite else own_questions(SOURCE)
    source = sample_examples(questions, data.limit)
    asked = {}
    for lang in data.langs:
        examples = make_cross_lingual(source, data.examples[lang], data.documents[lang], lang)
        if examples:
            asked[lang] = examples
    return search(retriever, asked, k)


def _sign(settings: Settings, data: EvaluationData, retriever: Retriever) -> dict[str, Any]:
    """Return all that a metric depends on, but the variant and with it thinking."""
    s, embedder = settings, retriever.embedder
    thresholds = sorted(s.filter_thresholds.items())
    return {
        "data": data.label,
        "suite": asdict(data.suite.card if data.suite else OWN),
        "corpus_and_questions": _hash_content(data),
        "langs": data.langs,
        "limit": data.limit,
        "embedder": f"{embedder.name} ({embedder.engine})",
        "index_commits": {x: retriever.index(x).store.commit for x in data.langs if data.documents[x]},
        "k": s.k,
        "code": mlrag.__version__,
        "code_hash": hash_package_files(["*.py", "*.json"]),
        "packs": hash_package_files(["*.toml"]),
        "prompts": VERSION,
        "filter_prompt_injection": s.filter_prompt_injection,
        "own_variants": {name: asdict(v) for name, v in sorted(s.variants.items())},
        "fallback": s.fallback,
        "route": route_version(s.route_file),
        "filter": s.filter and f"{s.filter} {thresholds} {s.filter_on_failure} {s.filter_translator}".strip(),
        "chrf": chrf_signature(),
        "seed": SEED,
    }


def _hash_content(data: EvaluationData) -> str:
    digest = hashlib.sha256()
    for lang in data.langs:
        for document in data.documents[lang]:
            digest.update(document.content_hash.encode())
        for e in data.examples[lang]:
            digest.update(f"{e.id}\0{e.question}\0{sorted(e.hidden)}\0{e.answers}".encode())
    return digest.hexdigest()[:16]
