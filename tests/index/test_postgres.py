"""What PostgreSQL alone brings: a lost primary, an address with a password, HNSW, the commands with it."""

import json
import os
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest

from benchmarks.kill_store import Hashed
from mlrag.answering.retriever import Retriever
from mlrag.errors import PrivacyError, SettingsError, StorageError
from mlrag.factory import make_indexes, make_pipeline
from mlrag.index.postgres.postings import kept_length
from mlrag.index.protocol import SearchQuery
from mlrag.ingest.index_documents import embed_documents, index_documents
from mlrag.settings import Settings
from mlrag.types import Document
from service.app import create_app
from tests.support.postgres import PostgresNode, free_port, missing, url
from tests.support.serving import serving

STAND_IN = Hashed()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.fixture
def indexes(postgres):
    from mlrag.index.postgres.indexes import PostgresIndexes

    indexes = PostgresIndexes(postgres.url, hnsw_from=200)
    indexes.clear()
    yield indexes
    indexes.close()


def document(number, lang="ta"):
    return Document(f"d{number}", lang, f"நகரம் ஆற்றங்கரையில் {number} உள்ளது.", f"{number}")


def test_lengths_are_kept_as_tantivy_keeps_them():
    """Exact to 40, then the steps of Lucene's SmallFloat: 40, 42, … 56, 60, … 88, 96, …"""
    assert [kept_length(n) for n in (0, 7, 39, 40, 41, 42, 57, 60, 95, 96)] == [0, 7, 39, 40, 40, 42, 56, 60, 88, 96]


def test_hnsw_is_made_once_it_is_due_and_finds_the_same(indexes):
    from psycopg.sql import SQL

    from mlrag.index.postgres.search import ranker_statement, values

    def without_sorting(connection, statement):
        """As the planner does it for many passages."""
        with connection.transaction():
            for way in ("seqscan", "bitmapscan", "sort"):
                connection.execute(f"SET LOCAL enable_{way} = off")
            return connection.execute(statement, values(asked, "ta")).fetchall()

    documents = [document(n) for n in range(300)]
    index_documents(documents, indexes, STAND_IN)
    names = indexes._server.read(
        lambda c: c.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE '%hnsw'").fetchall()
    )
    assert names == [("passage_ta_hnsw",)]
    asked = SearchQuery("நகரம்", STAND_IN.encode_query([documents[7].title])[0], 10)
    plan = indexes._server.read(lambda c: without_sorting(c, SQL("EXPLAIN ") + ranker_statement(asked, "dense", "ta")))
    assert any("using passage_ta_hnsw on passage_ta passage" in line for (line,) in plan)
    near = indexes._server.read(lambda c: without_sorting(c, ranker_statement(asked, "dense", "ta")))
    retriever = Retriever(indexes, STAND_IN)
    found = retriever.rank("நகரம்", "ta", "dense", 10, asked.vector)
    rows, vectors = indexes.store("ta").vectors()
    exact = vectors.astype(np.float32) @ asked.vector
    best = {p.id for p in indexes.store("ta").passages(rows[np.argsort(-exact)[:10]].tolist())}
    assert best == set(found)
    assert len(best & {name for (name,) in near}) >= 8


def test_addresses_are_checked_and_never_told():
    with pytest.raises(SettingsError) as told:
        Settings(store_url="mysql://me:hidden@db.example/x")
    assert "hidden" not in str(told.value)
    settings = Settings(store_url="postgresql://me:hidden@127.0.0.1:1/x")
    assert "hidden" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(StorageError) as told:
        make_indexes(settings)
    assert "hidden" not in str(told.value) and "127.0.0.1:1" in str(told.value)


def test_private_forbids_a_store_elsewhere(postgres, embedder):
    for address in ("postgresql://db.example/x", "postgresql://127.0.0.1,db.example/x", "postgresql:///x?service=a"):
        with pytest.raises(PrivacyError):
            make_indexes(Settings(store_url=address, private=True))
    settings = Settings(store_url=postgres.url, private=True)
    retriever = Retriever(make_indexes(settings), embedder)
    retriever.indexes.clear()
    index_documents([Document("nile", "en", "The Nile is 6,650 kilometres long.", "Nile")], retriever.indexes, embedder)
    assert not make_pipeline(settings, retriever).ask("How long is the Nile?", "en").left_machine
    pipeline = make_pipeline(settings.model_copy(update={"private": False}), retriever)
    pipeline._is_remote = lambda host: host.startswith("127.0.0.1:")  # as if the server were elsewhere
    assert pipeline.ask("How long is the Nile?", "en").left_machine
    retriever.indexes.close()


@pytest.mark.usefixtures("indexes")
def test_the_commands_work_with_an_address(postgres, tmp_path):
    (tmp_path / "tea.md").write_text("---\nlang: en\n---\nTea was first planted in Ceylon in 1867.", encoding="utf-8")
    environment = {**os.environ, "MLRAG_STORE_URL": postgres.url, "MLRAG_DATA_DIR": str(tmp_path / "var")}

    def run(*arguments):
        command = [sys.executable, "-m", "mlrag", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)

    assert "1 documents indexed" in run("index", str(tmp_path / "tea.md")).stderr
    answer = json.loads(run("ask", "When was tea planted in Ceylon?", "--json").stdout)
    assert "1867" in answer["text"] and answer["citations"][0]["doc_id"] == "tea.md"
    assert not (tmp_path / "var" / "index").exists()
    assert "en: 1 copied" in run("migrate", "--from", "postgresql", "--to", "sqlite").stderr
    assert (tmp_path / "var" / "index" / "en" / "store.sqlite").is_file()


def test_a_lost_primary_costs_no_acknowledged_document():
    """kill -9 of the primary under a writer and an asker; the standby is promoted and both go on."""
    from mlrag.index.postgres.indexes import PostgresIndexes

    with PostgresNode() as primary, PostgresNode(of=primary) as standby:
        primary.wait_for_standby()
        indexes = PostgresIndexes(url(primary, standby))
        index_documents([document(0)], indexes, STAND_IN)
        unasked = [part for n in range(3) for part in embed_documents([document(n, "en")], STAND_IN)]
        indexes.store("en").put(unasked, STAND_IN.name, STAND_IN.engine)
        acknowledged, failures, stop = [0], [], threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                index_documents([document(number)], indexes, STAND_IN)
                acknowledged.append(number)

        def ask():
            retriever = Retriever(indexes, STAND_IN)
            while not stop.is_set():
                try:
                    assert retriever.search("நகரம்", "ta").hits
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=write), threading.Thread(target=ask)]
        for thread in threads:
            thread.start()
        wait(lambda: len(acknowledged) > 5)
        primary.kill()
        before = len(acknowledged)
        assert (
            Retriever(indexes, STAND_IN).search("1", "en").off_topic_baseline is not None
        )  # measured, and kept nowhere
        standby.promote()
        wait(lambda: len(acknowledged) > before + 5)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures
        held = indexes.store("ta").hashes().keys()
        assert {f"d{n}" for n in acknowledged} <= held
        assert indexes.store("ta").counts().passages == len(held)
        indexes.close()


@pytest.mark.usefixtures("indexes")
def test_the_service_takes_finds_and_deletes(postgres, embedder, tmp_path):
    app = create_app(Settings(data_dir=tmp_path, store_url=postgres.url), embedder=embedder)
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/readyz").status_code == 503
        body = {"documents": [{"name": "பாலம்.md", "text": "செவ்விளநீர்ப் பாலத்தின் நீளம் 4321 மீட்டர்."}]}
        reply = client.post("/corpora/ta/documents", json=body)
        assert reply.status_code == 202, reply.text
        job = reply.headers["location"]
        wait(lambda: client.get(job).json()["status"] in ("done", "failed"))
        asked = {"q": "செவ்விளநீர்ப் பாலத்தின் நீளம் எவ்வளவு?", "lang": "ta"}
        for _ in range(2):  # the second comes from the answer cache
            assert "4321" in client.post("/ask", json=asked).json()["text"]
        assert client.get("/corpora").json()[0]["documents"] == 1
        assert client.get("/corpora").json()[0]["bytes"] > 0
        assert client.delete("/corpora/ta/documents/பாலம்.md").status_code == 204
        assert client.post("/ask", json=asked).json()["error"]["code"] == "no_index"


def wait(done, seconds=60):
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_server_that_is_gone_is_told_plainly():
    from mlrag.index.postgres.indexes import PostgresIndexes

    with pytest.raises(StorageError, match=f"127.0.0.1:{(port := free_port())}"):
        PostgresIndexes(f"postgresql://mlrag@127.0.0.1:{port}/postgres")
