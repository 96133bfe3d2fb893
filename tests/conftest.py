"""Real parts, built once: the bundled embedder, and an index of the starter documents."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.embedding.base import Embedder
from mlrag.embedding.load import load_embedder
from mlrag.generation.backends.base import ChatModel, Timeouts
from mlrag.generation.chat_generator import ChatGenerator
from mlrag.generation.client import BackendLimits, ModelClient
from mlrag.generation.extractive import Extractive
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import Indexes
from mlrag.settings import Settings
from tests.support.corpus_index import CORPORA, build_corpus_index
from tests.support.postgres import PostgresNode, missing

os.environ.pop("COLUMNS", None)  # a worker of pytest-xdist has it, and consoles made at import would keep to it

HOUSE = Path(__file__).parent.parent
SHARED = HOUSE.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow modules first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


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
    folder = Path(kept).absolute() if kept else (own.parent if several else own) / "var"
    build_corpus_index(folder, embedder)
    return Path(shutil.copytree(folder, own / "copy")) if several or kept else folder


@pytest.fixture(scope="session")
def settings(indexed: Path) -> Settings:
    return Settings(data_dir=indexed, corpora=CORPORA, cache_answers=0)


@pytest.fixture(scope="session")
def pipeline(settings: Settings, embedder: Embedder) -> Iterator[Pipeline]:
    retriever = Retriever(FolderIndexes(settings.index_dir), embedder)
    yield Pipeline(retriever, Extractive(shipped_calibration(embedder.name)))


def generator(model: ChatModel, think: bool = False, timeout: float = 15.0, concurrency: int = 4) -> ChatGenerator:
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
