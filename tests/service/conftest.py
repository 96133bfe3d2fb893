"""A small index that tests may change, and keys that are gone after the test."""

import pytest

from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.state.keys import make_key, read_keys, write_keys
from tests.support.guarded_service import DOCUMENTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory, embedder):
    """A small index that these tests may change."""
    folder = tmp_path_factory.mktemp("var")
    index_documents(DOCUMENTS, FolderIndexes(folder / "index"), embedder)
    return folder


@pytest.fixture
def keys(folder):
    """Makes keys; they are gone after the test."""
    path = folder / "keys.json"

    def add(name, scope="read", languages=()):
        key, token = make_key(name, scope, languages)
        write_keys(path, [*read_keys(path), key])
        return {"Authorization": f"Bearer {token}"}

    yield add
    path.unlink(missing_ok=True)
