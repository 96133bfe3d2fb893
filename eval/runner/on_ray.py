"""A run's questions fanned out over a Ray cluster; their rows are written here, as those of one machine are."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets.own import Example
from eval.runner.bench import Bench, make_asker
from eval.runner.plan import base_of
from eval.runner.rows import Prediction, predict
from mlrag.answering.retriever import Retriever
from mlrag.errors import SettingsError
from mlrag.factory import make_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.models.variants import parse_variant
from mlrag.ray_cluster import UnfitError, fan_out, get, places, share
from mlrag.settings import Settings

_Asked = tuple[str, Example]  # the language that the row is kept under, and the question


@dataclass(frozen=True, slots=True)
class Asking:
    """Makes in a worker who answers a variant's questions, over a copy of the run's index (`index`, shared by Ray)."""

    settings: Settings
    variant: str
    hosts: Sequence[str]
    embedder: tuple[str, str]
    index: Any

    def __call__(self) -> Callable[[_Asked], Prediction]:
        return _Asks(self)


class _Asks:
    """The copy of the index lasts as long as this does."""

    def __init__(self, asking: Asking) -> None:
        embedder = make_embedder(asking.settings, threads=1)
        if (embedder.name, embedder.engine) != asking.embedder:
            raise UnfitError(f"it embeds with {embedder.name} on {embedder.engine}, the run with {asking.embedder}")
        self._folder = tempfile.TemporaryDirectory(prefix="mlrag-ray-", ignore_cleanup_errors=True)
        _unpack(get(asking.index), Path(self._folder.name))
        retriever = Retriever(FolderIndexes(Path(self._folder.name)), embedder, asking.settings.withhold_orders)
        self._asker = make_asker(asking.settings, retriever, asking.variant, asking.hosts)
        self._variant = asking.variant

    def __call__(self, asked: _Asked) -> Prediction:
        return predict(self._asker, asked[1], self._variant)


def ask_on_cluster(
    bench: Bench, variant: str, concurrency: int | None, tick: Callable[[], None]
) -> Mapping[str, Sequence[Prediction]]:
    """A variant's rows in every language; those that are not there are asked, and each is on disk as it comes.

    A question that ends its worker is a failed row that says so. Raises SettingsError for `auto`, which would choose on
    each machine anew and spend its budget on each.
    """
    if parse_variant(base_of(variant), bench.settings.variants).backend == "auto":
        raise SettingsError("`auto` chooses for one machine", "name the variants: --variants e4b,31b")
    asked = bench.asked(variant)
    missing = [(lang, e) for lang, es in asked.items() for e in bench.run.missing(es, variant, lang)]
    if missing:
        cpus = max(1, places())
        at_once = concurrency or (cpus if bench.is_extractive(variant) else bench.at_models)
        count = min(cpus, at_once, len(missing))
        making = _asking(bench, variant, count)
        for done in fan_out(missing, making, count=count, threads=-(-at_once // count)):
            lang, example = done.item
            bench.run.append(lang, done.result or Prediction(example.id, variant, error=done.problem))
            tick()
    return {lang: bench.run.stored(es, variant, lang) for lang, es in asked.items()}


def _asking(bench: Bench, variant: str, count: int) -> Asking:
    """Each worker gets its share of the calls a minute."""
    settings = bench.settings
    if settings.per_minute:
        settings = settings.model_copy(update={"per_minute": max(1, settings.per_minute // count)})
    embedder = bench.embedder.name, bench.embedder.engine
    return Asking(settings, variant, bench.hosts, embedder, share(_packed(bench.folder, bench.langs)))


def _packed(folder: Path, langs: Sequence[str]) -> bytes:
    """The indexes of these languages as a tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for lang in langs:
            if (folder / lang).is_dir():
                tar.add(folder / lang, lang)
    return data.getvalue()


def _unpack(data: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        tar.extractall(folder, filter="data")
