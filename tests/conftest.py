"""Real parts, built once: the bundled embedder, and an index of the starter documents."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.embedding.load import load_embedder
from mlrag.generation.backends.base import ChatModel, Timeouts
from mlrag.generation.chat_generator import ChatGenerator
from mlrag.generation.client import BackendLimits, ModelClient
from mlrag.generation.extractive import Extractive
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import Indexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import languages
from mlrag.settings import Settings
from tests.support.postgres import PostgresNode, missing

os.environ.pop("COLUMNS", None)  # a worker of pytest-xdist has it, and consoles made at import would keep to it

HOUSE = Path(__file__).parent.parent
CORPORA = HOUSE / "corpora"
SHARED = HOUSE.parent / "shared" / "data"


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return load_embedder()


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    """Every starter corpus, indexed: the data folder. MLRAG_TEST_INDEX names one to keep between runs.

    Made once: where several processes run the tests, each gets a copy of its own.
    """
    kept, own = os.environ.get("MLRAG_TEST_INDEX"), tmp_path_factory.getbasetemp()
    several = "PYTEST_XDIST_WORKER" in os.environ
    folder = Path(kept) if kept else (own.parent if several else own) / "var"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        documents = [d for code in languages() for d in read_documents([CORPORA / code], code)]
        index_documents(documents, FolderIndexes(folder / "index"), embedder)
        return Path(shutil.copytree(folder, own / "copy")) if several else folder


@pytest.fixture(scope="session")
def settings(indexed: Path) -> Settings:
    return Settings(data_dir=indexed, corpora=CORPORA, cache_answers=0)


@pytest.fixture(scope="session")
def pipeline(settings: Settings, embedder: Embedder) -> Iterator[Pipeline]:
    retriever = Retriever(FolderIndexes(settings.index_dir), embedder)
    yield Pipeline(retriever, Extractive(shipped_calibration(embedder.name)))


def generator(model: ChatModel, think: bool = False, timeout: float = 5.0, concurrency: int = 4) -> ChatGenerator:
    """A model behind a gate of its own, so that one test's failures do not close another's."""
    timeouts = Timeouts(first=timeout, total=timeout)
    return ChatGenerator(ModelClient(model, BackendLimits(model.host, concurrency), timeouts), think)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresNode]:
    """A real server, started once; skips where there is none."""
    if missing():
        pytest.skip(missing())
    with PostgresNode() as node:
        yield node


@pytest.fixture(params=["folder", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Indexes]:
    """An empty place for indexes of either kind."""
    if request.param == "folder":
        yield FolderIndexes(tmp_path / "index")
        return
    node = request.getfixturevalue("postgres")
    from mlrag.index.postgres.indexes import PostgresIndexes

    indexes = PostgresIndexes(node.url)
    indexes.clear()
    yield indexes
    indexes.close()
