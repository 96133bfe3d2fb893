"""Kills, a full disk, a folder that cannot be written, two writers, a clock that jumps: nothing is lost."""

import gc
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from limits import parse

from benchmarks.kill_store import Hashed, measure
from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.cache import AnswerCache, StoreContents
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.errors import StorageError
from mlrag.generation.extractive import Extractive
from mlrag.index.local import database
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.language_index import LanguageIndex
from mlrag.index.local.store import Store
from mlrag.index.types import EmbeddedPassage
from mlrag.ingest.index_documents import index_documents
from mlrag.settings import Settings
from mlrag.state.answers import CacheKey, SqliteAnswers
from mlrag.state.rate_limit import InProcessRateLimiter
from mlrag.types import Document, Passage, Span

pytestmark = pytest.mark.slow

STAND_IN = Hashed()  # vectors from hashes: the store cannot tell
LANGS = ("en", "ta", "zh", "ar")


def document(number, lang="ta", words="நகரம் ஆற்றங்கரையில்"):
    return Document(f"d{number}", lang, f"{words} {number} உள்ளது.", f"{number}")


def large(folder, count=700):
    """A store beyond the size below which indexes are built whole; documents of ten passages."""
    store = Store(folder / "ta" / "store.sqlite", "ta")
    store.put([embedded(n) for n in range(count // 10)], STAND_IN.name, STAND_IN.engine)
    return LanguageIndex(folder / "ta", "ta")


def embedded(number, shift=0):
    lines = [f"நகரம் {number} வரி {p} சொல்{number + shift}." for p in range(10)]
    text, passages, at = "\n".join(lines), [], 0
    for p, (line, vector) in enumerate(zip(lines, STAND_IN.encode_document(lines), strict=True)):
        passage = Passage(f"d{number}#{p}", f"d{number}", "ta", at, at + len(line), line)
        passages.append(EmbeddedPassage(passage, vector, (Span(at, at + len(line)),), vector[None]))
        at += len(line) + 1
    return Document(f"d{number}", "ta", text), passages


def held(derived):
    return np.delete(derived.rows, derived.gone).tolist()


def found(derived, line):
    """The rows that each leg finds for a line."""
    dense, _ = derived.dense.search(STAND_IN.encode_query([line]), 5)
    lexical, _ = derived.lexical.search(derived.lexical.idf(line), 5)
    return derived.rows[dense].tolist(), derived.rows[lexical].tolist()


def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path):
    result = measure(tmp_path, {"sync": 5}, 0.6, codes=LANGS)
    assert (result.kills, result.problems) == (5, [])
    assert result.searches


def test_a_large_index_catches_up_and_finds_what_a_whole_build_finds(tmp_path):
    index = large(tmp_path)
    base = index.refresh()
    index.store.put([embedded(3, 1000), embedded(200)], STAND_IN.name, STAND_IN.engine)
    index.store.delete(["d5"])
    again = LanguageIndex(tmp_path / "ta", "ta")  # as after a kill: the commit is there, and nothing derived from it
    derived = again.refresh()
    assert not again.rebuilt_because
    assert held(derived) == again.store.rows().tolist()
    assert (len(derived.dense), len(derived.lexical), derived.live) == (700, 700, 700)
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("gen-*"))
    whole = LanguageIndex(tmp_path / "copy" / "ta", "ta").refresh()
    for line in ("நகரம் 3 வரி 4 சொல்1003.", "நகரம் 200 வரி 0 சொல்200.", "நகரம் 5 வரி 1 சொல்5."):
        assert found(derived, line)[0] == found(whole, line)[0]
        assert found(derived, line)[1][:1] == found(whole, line)[1][:1]
    query = STAND_IN.encode_query(["நகரம்"])
    assert derived.dense.spread(query) == pytest.approx(whole.dense.spread(query), abs=1e-6)
    assert (base.folder / "manifest.json").is_file()  # a reader may still be there
    assert held(LanguageIndex(tmp_path / "ta", "ta").refresh()) == held(derived)


def test_many_empty_places_make_a_whole_build_for_the_writer_and_not_for_a_reader(tmp_path):
    index = large(tmp_path)
    index.refresh()
    index.store.delete([f"d{n}" for n in range(15)])
    assert len(index.refresh().gone) == 150
    assert len(index.optimize().gone) == 0
    assert LanguageIndex(tmp_path / "ta", "ta").refresh().folder.name.endswith("-whole")


def test_what_a_restored_backup_undid_is_not_taken_for_what_came_after(tmp_path):
    index = large(tmp_path)
    index.refresh()
    index.store.close()
    gc.collect()
    shutil.copy(index.store.path, tmp_path / "backup")
    index.store.put([embedded(300)], STAND_IN.name, STAND_IN.engine)
    lost = index.refresh().commit
    index.store.close()
    for path in index.folder.glob("store.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "backup", index.store.path)
    again = LanguageIndex(tmp_path / "ta", "ta")
    again.store.put([embedded(301)], STAND_IN.name, STAND_IN.engine)
    assert again.refresh().commit == lost
    assert held(again.refresh()) == again.store.rows().tolist()
    for number, there in ((301, True), (300, False)):
        _, cosines = again.refresh().dense.search(STAND_IN.encode_query([f"நகரம் {number} வரி 0 சொல்{number}."]), 1)
        assert (cosines[0] > 0.99) == there


@contextmanager
def mounted(folder, *what):
    folder.mkdir()
    done = subprocess.run(["mount", *what, folder], capture_output=True)
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


mounts = pytest.mark.skipif(sys.platform != "linux" or not shutil.which("mount"), reason="mounts a small disk")


@mounts
def test_a_full_disk_is_named_readers_go_on_and_nothing_is_lost(tmp_path):
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as disk:
        index_documents([document(n) for n in range(8)], FolderIndexes(disk), STAND_IN)
        retriever = Retriever(FolderIndexes(disk), STAND_IN)
        with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 4096)
        with pytest.raises(StorageError, match=r"the disk is full.*free some space"):
            for number in range(100, 200):
                index_documents([document(number, words="சொல் " * 500)], FolderIndexes(disk), STAND_IN)
        stored = retriever.index("ta").store.hashes()
        assert {f"d{n}" for n in range(8)} <= stored.keys()
        assert len(retriever.search("நகரம் 3", "ta", k=50).hits) >= 8
        another = Retriever(FolderIndexes(disk), STAND_IN)  # that starts now
        assert len(another.search("நகரம் 3", "ta", k=50).hits) >= 8
        (disk / "filler").unlink()
        index_documents([document(999)], FolderIndexes(disk), STAND_IN)
        assert stored.keys() | {"d999"} == retriever.index("ta").store.hashes().keys()
        assert "d999" in {h.passage.doc_id for h in retriever.search("999", "ta", k=50).hits}


@mounts
def test_a_folder_that_cannot_be_written_is_read_and_named(tmp_path):
    own = tmp_path / "own"
    index_documents([document(n) for n in range(8)], FolderIndexes(own), STAND_IN)
    gc.collect()  # the last connection that closes leaves one file, without a journal
    shutil.rmtree(next((own / "ta").glob("gen-*")))  # even so: it is built elsewhere
    with mounted(tmp_path / "disk", "--bind", own) as disk:
        subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)
        retriever = Retriever(FolderIndexes(disk), STAND_IN)
        assert len(retriever.search("நகரம் 3", "ta", k=50).hits) == 8
        with pytest.raises(StorageError, match=r"may not be written.*right to write"):
            index_documents([document(9)], FolderIndexes(disk), STAND_IN)
        with pytest.raises(StorageError, match="may not be written"):
            retriever.index("ta").store.delete(["d1"])
        assert len(retriever.search("நகரம் 3", "ta", k=50).hits) == 8
        rows = SqliteAnswers(disk / "answers.sqlite")
        cache = AnswerCache(rows, Settings(data_dir=disk), STAND_IN, StoreContents(retriever))
        assert cache.find(CacheKey("state", "key")) is None


def test_two_writers_take_turns_and_one_that_waits_too_long_is_told(tmp_path, monkeypatch):
    def write(first):
        index_documents([document(n) for n in range(first, first + 20)], FolderIndexes(tmp_path), STAND_IN)

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    index = LanguageIndex(tmp_path / "ta", "ta")
    assert len(index.store.hashes()) == 40
    assert held(index.refresh()) == index.store.rows().tolist()
    monkeypatch.setattr(database, "WAIT", 0.1)
    with sqlite3.connect(index.store.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"another process is writing.*wait until"):
            index_documents([document(500)], FolderIndexes(tmp_path), STAND_IN)
        assert len(Retriever(FolderIndexes(tmp_path), STAND_IN).search("நகரம் 3", "ta").hits) == 5
        other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_jumps_bars_nobody_and_lets_no_age_be_negative(tmp_path, monkeypatch, jump):
    window, rate = InProcessRateLimiter(), parse("2/minute")
    assert [window.hit(rate, "anna") for _ in range(3)] == [True, True, False]
    index_documents([document(n) for n in range(8)], FolderIndexes(tmp_path / "index"), STAND_IN)
    retriever = Retriever(FolderIndexes(tmp_path / "index"), STAND_IN)
    answer = Pipeline(retriever, Extractive(shipped_calibration(STAND_IN.name))).ask("நகரம் 3", "ta")
    rows, place = SqliteAnswers(tmp_path / "a.sqlite"), CacheKey("state", "key")
    cache = AnswerCache(rows, Settings(data_dir=tmp_path), STAND_IN, StoreContents(retriever))
    cache.keep(place, replace(answer, abstained=False))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert [window.hit(rate, "anna") for _ in range(3)] == [True, True, False]
    assert 0 < window.opens_in(rate, "anna") <= 60
    assert cache.find(place).age >= 0
    monkeypatch.undo()
    assert window.hit(rate, "anna")
    cache.close()
