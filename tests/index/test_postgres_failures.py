"""PostgreSQL under what goes wrong: a lost and a slow standby, a full disk, too many clients. Nodes are real."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.kill_store import Hashed
from mlrag.answering.retriever import Retriever
from mlrag.errors import StorageError, StoreUnreachableError
from mlrag.ingest.index_documents import index_documents
from mlrag.types import Document
from tests.support.postgres import PostgresNode, missing

STAND_IN = Hashed()
PATIENCE = 1.5  # seconds that these tests have for a standby or a connection
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]


def document(number, size=1):
    return Document(f"d{number}", "ta", f"நகரம் ஆற்றங்கரையில் {number} உள்ளது. " * size)


def found(indexes, question="நகரம்"):
    return {h.passage.doc_id for h in Retriever(indexes, STAND_IN).search(question, "ta", k=50).hits}


def eventually(work, seconds=30):
    """Its result, once it has one."""
    until = time.monotonic() + seconds
    while True:
        with suppress(StorageError):
            return work()
        assert time.monotonic() < until
        time.sleep(0.1)


@contextmanager
def opened(address, wait=PATIENCE):
    from mlrag.index.postgres.indexes import PostgresIndexes

    indexes = PostgresIndexes(address, wait=wait)
    try:
        yield indexes
    finally:
        indexes.close()


@pytest.fixture(scope="module")
def pair():
    """A primary whose commits wait for its one standby."""
    with PostgresNode() as primary, PostgresNode(of=primary) as standby:
        primary.wait_for_standby()
        yield primary, standby


def test_a_slow_standby_delays_writes_and_no_reads(pair):
    primary, standby = pair
    with opened(primary.url, wait=30) as indexes:
        index_documents([document(1)], indexes, STAND_IN)
        assert found(indexes) == {"d1"}
        standby.pause()
        try:
            writer = threading.Thread(target=index_documents, args=([document(2)], indexes, STAND_IN))
            writer.start()
            writer.join(1.0)
            assert writer.is_alive() and found(indexes) == {"d1"}  # unconfirmed, and so not there yet
        finally:
            standby.resume()
        writer.join(20)
        assert not writer.is_alive() and found(indexes) == {"d1", "d2"}


def test_a_write_gives_up_on_a_standby_that_does_not_answer(pair):
    primary, standby = pair
    with opened(primary.url) as indexes:
        index_documents([document(1)], indexes, STAND_IN)
        standby.pause()
        try:
            for _ in range(2):  # the second does not wait behind the first
                begun = time.monotonic()
                with pytest.raises(StorageError, match=r"no standby confirmed .*synchronous_standby_names"):
                    index_documents([document(time.monotonic_ns())], indexes, STAND_IN)
                assert time.monotonic() - begun < 10 * PATIENCE
            assert "d1" in found(indexes)
        finally:
            standby.resume()
        index_documents([document(3)], indexes, STAND_IN)
        assert "d3" in found(indexes)


def test_a_lost_standby_stops_writes_until_the_operator_takes_it_out(pair):
    import psycopg

    primary, standby = pair
    with opened(primary.url) as indexes:
        index_documents([document(1)], indexes, STAND_IN)
        standby.kill()
        with pytest.raises(StorageError, match="no standby confirmed"):
            index_documents([document(4)], indexes, STAND_IN)
        assert "d1" in found(indexes)
        with psycopg.connect(primary.url, autocommit=True) as operator:
            operator.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            operator.execute("SELECT pg_reload_conf()")
        eventually(lambda: index_documents([document(time.monotonic_ns())], indexes, STAND_IN))
        index_documents([document(5)], indexes, STAND_IN)
        assert {"d1", "d5"} <= found(indexes)


@contextmanager
def small_disk(megabytes):
    """A file system of its own; skips where none can be made."""
    folder = Path(tempfile.mkdtemp(prefix="mlrag-disk-"))
    folder.chmod(0o755)
    made = os.getuid() == 0 and shutil.which("mount")
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "mlrag", str(folder)]
    if not made or subprocess.run(command, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("only root can make a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk_loses_nothing_acknowledged():
    with small_disk(160) as disk, PostgresNode(within=disk) as node, opened(node.url, wait=5) as indexes:
        index_documents([document(0)], indexes, STAND_IN)
        acknowledged, filler = ["d0"], disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - 2_000_000))
        with pytest.raises(StorageError) as told:
            for number in range(1, 500):
                index_documents([document(number, 200)], indexes, STAND_IN)
                acknowledged.append(f"d{number}")
        assert "disk is full" in str(told.value) or isinstance(told.value, StoreUnreachableError), told.value
        filler.unlink()
        node.ensure_started()  # where it had no room for its log it has stopped
        assert set(acknowledged) <= indexes.store("ta").hashes().keys()
        index_documents([document(500)], indexes, STAND_IN)
        assert "d500" in indexes.store("ta").hashes() and found(indexes)


def test_a_storm_of_clients_waits_its_turn():
    """200 askers in two services with 16 connections each at most, on a server that has 17 to give."""
    with PostgresNode(connections=20) as node, opened(node.url, 30) as one, opened(node.url, 30) as two:
        index_documents([document(n) for n in range(5)], one, STAND_IN)
        retrievers, answers, failures = [Retriever(p, STAND_IN) for p in (one, two)], [], []

        def ask(number):
            try:
                answers.append(len(retrievers[number % 2].search("நகரம்", "ta").hits))
            except StorageError as error:
                failures.append(error)

        askers = [threading.Thread(target=ask, args=(n,)) for n in range(200)]
        for thread in askers:
            thread.start()
        for thread in askers:
            thread.join()
        assert answers == [5] * 200 and not failures
        index_documents([document(9)], one, STAND_IN)


def test_a_crowded_server_says_so_and_recovers():
    import psycopg

    with PostgresNode(connections=20) as node, opened(node.url) as indexes:
        index_documents([document(1)], indexes, STAND_IN)
        with opened(node.url) as late:
            crowd = []
            with suppress(psycopg.OperationalError):
                while True:
                    crowd.append(psycopg.connect(node.url))
            with pytest.raises(StoreUnreachableError, match="max_connections"):
                found(late)
            for connection in crowd:
                connection.close()
            assert found(indexes) == {"d1"}
            assert eventually(lambda: found(late)) == {"d1"}  # it tries again at longer and longer intervals
