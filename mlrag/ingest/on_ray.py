"""The work of `mlrag index --ray` on its workers: files to documents, documents to vectors. One process stores them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlrag.documents.readers import Limits, LoadedFile, Sandbox, load, root_of
from mlrag.embedding.base import BUNDLED, Embedder
from mlrag.errors import DocumentError
from mlrag.factory import make_embedder
from mlrag.ingest.index_documents import Embed, EmbeddedDocument, embed_documents
from mlrag.ingest.sync import FilesRead, read_files
from mlrag.ray_cluster import UnfitError, count_resources, fan_out
from mlrag.settings import Settings
from mlrag.types import Document

Batch = Sequence[Document]


@dataclass(frozen=True, slots=True)
class ReaderFactory:
    """Makes a reader of files in a worker."""

    roots: tuple[Path, ...]
    limits: Limits
    lang: str | None

    def __call__(self) -> Callable[[Path], LoadedFile]:
        sandbox = Sandbox(self.limits)

        def read(path: Path) -> LoadedFile:
            if not path.exists():
                raise DocumentError(
                    f"{path} is not on {socket.gethostname()}", "share the folder with every machine of the cluster"
                )
            return load(path, sandbox, self.lang, root_of(path, self.roots))

        return read


@dataclass(frozen=True, slots=True)
class EmbedderFactory:
    """Makes an embedder of document batches in a worker, with the same vectors as on the driver's machine."""

    settings: Settings
    name: str
    engine: str

    def __call__(self) -> Callable[[Batch], list[EmbeddedDocument]]:
        embedder = make_embedder(self.settings, threads=1)
        if (embedder.name, embedder.engine) != (self.name, self.engine):
            raise UnfitError(
                f"it embeds with {embedder.name} on {embedder.engine}, this machine with {self.name} on {self.engine}",
                "their vectors differ: leave it out of the cluster, or start from one like it",
            )
        return lambda documents: embed_documents(documents, embedder)


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Reads and embeds on the Ray cluster that this process is connected to."""

    settings: Settings
    limits: Limits
    roots: tuple[Path, ...]
    lang: str | None

    def read(self, files: Sequence[Path], tick: Callable[[], None]) -> FilesRead:
        results = {}
        for done in fan_out(files, ReaderFactory(self.roots, self.limits, self.lang)):
            results[done.item] = done
            tick()

        def get_loaded(path: Path) -> LoadedFile:
            done = results[path]
            if done.result is None:
                raise DocumentError(done.problem)
            return done.result

        return read_files(files, get_loaded)

    def embed(self, embedder: Embedder, problems: list[str]) -> Embed:
        """Return what embeds batches; they come back in the order in which they are done."""
        factory = EmbedderFactory(self.settings, embedder.name, embedder.engine)
        return lambda batches: self._embed(batches, factory, problems)

    def _embed(
        self, batches: Sequence[Batch], factory: EmbedderFactory, problems: list[str]
    ) -> Iterator[tuple[Batch, list[EmbeddedDocument]]]:
        name = self.settings.embedder
        gpus = 0 if name == BUNDLED or name.startswith("ollama:") else count_resources("GPU")
        for done in fan_out(batches, factory, lambda b: [[d] for d in b], gpus or None, gpus=min(gpus, 1)):
            if done.result is None:
                problems += [f"{d.source or d.id}: it could not be indexed: {done.problem}" for d in done.item]
            else:
                yield done.item, done.result
