"""A run's questions fanned out over a Ray cluster; their rows are written here, as those of one machine are."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.runner.answer import concurrency_limit, is_extractive, make_answerer
from eval.runner.plan import base_variant
from eval.runner.prepare import PreparedRun
from eval.runner.rows import predict
from eval.types import Example, Prediction
from mlrag.answering.retriever import Retriever
from mlrag.errors import SettingsError
from mlrag.factory import make_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.models.variants import parse_variant
from mlrag.ray_cluster import UnfitError, count_resources, fan_out, get_object, put_object
from mlrag.settings import Settings

_Question = tuple[str, Example]  # the language whose file stores the row, and the question


@dataclass(frozen=True, slots=True)
class WorkerFactory:
    """Makes, in a worker, what answers a variant's questions, over a copy of the run's index (`index`, shared by Ray).

    `embedder`: name and engine of the run's embedder, which the worker's must equal.
    """

    settings: Settings
    variant: str
    hosts: Sequence[str]
    embedder: tuple[str, str]
    index: Any

    def __call__(self) -> Callable[[_Question], Prediction]:
        return _Worker(self)


class _Worker:
    """Answers questions; its copy of the index lasts as long as it does."""

    def __init__(self, factory: WorkerFactory) -> None:
        embedder = make_embedder(factory.settings, threads=1)
        if (embedder.name, embedder.engine) != factory.embedder:
            raise UnfitError(f"it embeds with {embedder.name} on {embedder.engine}, the run with {factory.embedder}")
        self._folder = tempfile.TemporaryDirectory(prefix="mlrag-ray-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        with tarfile.open(fileobj=io.BytesIO(get_object(factory.index))) as tar:
            tar.extractall(folder, filter="data")
        retriever = Retriever(FolderIndexes(folder), embedder, factory.settings.filter_prompt_injection)
        self._answerer = make_answerer(factory.settings, retriever, factory.variant, factory.hosts)
        self._variant = factory.variant

    def __call__(self, question: _Question) -> Prediction:
        return predict(self._answerer, question[1], self._variant)


def answer_on_ray(
    run: PreparedRun, variant: str, tick: Callable[[], None] = lambda: None, concurrency: int | None = None
) -> Mapping[str, Sequence[Prediction]]:
    """Return a variant's rows in every language; missing ones are asked, and each is on disk as it comes.

    A question that ends its worker becomes a failed row. Raises SettingsError for `auto`, which would choose on each
    machine anew and spend its budget on each.
    """
    if parse_variant(base_variant(variant), run.settings.variants).backend == "auto":
        raise SettingsError("`auto` chooses for one machine", "name the variants: --variants e4b,31b")
    asked = run.plan.examples_for(variant)
    missing = [(lang, e) for lang, examples in asked.items() for e in run.rows.missing(examples, variant, lang)]
    if missing:
        cpus = max(1, count_resources())
        extractive = is_extractive(run.settings, variant)
        limit = concurrency or (cpus if extractive else concurrency_limit(run, variant))
        count = min(cpus, limit, len(missing))
        for done in fan_out(missing, _factory(run, variant, count), count=count, threads=-(-limit // count)):
            lang, example = done.item
            run.rows.append(lang, done.result or Prediction(example.id, variant, error=done.problem))
            tick()
    return {lang: run.rows.predictions(examples, variant, lang) for lang, examples in asked.items()}


def _factory(run: PreparedRun, variant: str, count: int) -> WorkerFactory:
    """Each of `count` workers gets its share of the calls a minute."""
    settings = run.settings
    if settings.per_minute:
        settings = settings.model_copy(update={"per_minute": max(1, settings.per_minute // count)})
    embedder = run.retriever.embedder
    index = put_object(_pack(run.data.index_folder, run.data.langs))
    return WorkerFactory(settings, variant, run.hosts, (embedder.name, embedder.engine), index)


def _pack(folder: Path, langs: Sequence[str]) -> bytes:
    """Return the indexes of these languages as a tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for lang in langs:
            if (folder / lang).is_dir():
                tar.add(folder / lang, lang)
    return data.getvalue()
