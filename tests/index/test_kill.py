"""kill -9 at any moment of indexing loses nothing that was stored, and what is there answers."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from mlrag.answering.retriever import Retriever
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.language_index import LanguageIndex
from mlrag.ingest.index_documents import index_documents
from mlrag.types import Document
from tests.conftest import HOUSE

pytestmark = pytest.mark.slow

KILLS = 4
DOCUMENTS = [
    Document(f"town-{i}", "ta", f"நகரம் {i} ஆற்றங்கரையில் உள்ளது. அங்கு {1000 + i} பேர் வாழ்கிறார்கள்.", f"நகரம் {i}")
    for i in range(64)
]


def start_indexing(docs, data):
    command = [sys.executable, "-m", "mlrag", "index", str(docs), "--lang", "ta"]
    environment = os.environ | {"MLRAG_DATA_DIR": str(data)}
    return subprocess.Popen(command, cwd=HOUSE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_at(process, store, delay):
    """Wait for the store, then for `delay` seconds, then kill -9."""
    until = time.monotonic() + 60
    while not store.is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_an_index_survives_kills_at_random_moments(tmp_path, embedder):
    docs = tmp_path / "docs"
    docs.mkdir()
    for d in DOCUMENTS:
        (docs / f"{d.id}.txt").write_text(d.text, encoding="utf-8")
    folder = tmp_path / "var" / "index"
    store, chance, kept = folder / "ta" / "store.sqlite", random.Random(7), 0
    for number in range(KILLS):
        started = 0.0 if number == 0 else 1.5  # later the store is there before the process has loaded its parts
        kill_at(start_indexing(docs, tmp_path / "var"), store, started + chance.uniform(0.0, 1.2))
        with sqlite3.connect(store) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        index = LanguageIndex(folder / "ta", "ta")
        documents, passages = index.store.counts().documents, index.store.counts().passages
        assert documents >= kept  # what was stored stays
        kept = documents
        if kept:
            found = Retriever(FolderIndexes(folder), embedder).search("நகரம் 3 இல் எத்தனை பேர் வாழ்கிறார்கள்?", "ta")
            assert len(found.hits) == min(5, passages)
            assert all(index.store.document(h.passage.doc_id) for h in found.hits)
    index_documents(DOCUMENTS, FolderIndexes(folder), embedder)
    found = Retriever(FolderIndexes(folder), embedder).search("நகரம் 63 இல் எத்தனை பேர் வாழ்கிறார்கள்?", "ta")
    assert any("1063" in h.passage.text for h in found.hits)
