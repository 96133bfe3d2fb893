"""Folders and indexes agree after `mlrag index`: new, changed, moved, deleted, mixed and broken files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlrag.answering.retriever import Retriever
from mlrag.cli.main import app
from mlrag.errors import MissingIndexError
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.store import Store
from service.jobs import UploadJobs
from service.uploads import Upload
from tests.conftest import HOUSE

run = CliRunner()
TAMIL = "நைல் ஆறு 6,650 கிலோமீட்டர் நீளமானது. அது எகிப்தில் பாய்ந்து கடலில் கலக்கிறது."
ENGLISH = "The Nile is 6,650 kilometres long. It flows through Egypt into the Mediterranean Sea."
SINHALA = "නයිල් ගඟ කිලෝමීටර් 6,650ක් දිගයි. එය ඊජිප්තුව හරහා ගලා බසියි."


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def index(*args, status=0):
    done = run.invoke(app, ["index", *map(str, args)])
    assert done.exit_code == status, done.stderr
    return done.stderr


def stored(docs, lang):
    path = docs.parent / "var" / "index" / lang / "store.sqlite"
    return {s.id for s in Store(path, lang).list_sources()} if path.is_file() else set()


def text(docs, lang, doc_id):
    return Store(docs.parent / "var" / "index" / lang / "store.sqlite", lang).document(doc_id).text


def wait_for_job(jobs, job):
    wait_for(lambda: jobs.get(job.id).status in ("done", "failed"), "the upload")
    return jobs.get(job.id)


def found(docs, embedder, question, lang):
    try:
        hits = Retriever(FolderIndexes(docs.parent / "var" / "index"), embedder).search(question, lang).hits
    except MissingIndexError:
        return set()
    return {h.passage.doc_id for h in hits}


def test_a_folder_forgets_what_is_gone_and_a_file_only_replaces_itself(docs, embedder):
    first, second = write(docs / "a.txt", TAMIL), write(docs / "sub" / "b.txt", TAMIL + " இரண்டாவது.")
    assert "2 documents indexed, 0 unchanged, in" in index(docs)
    assert "0 documents indexed, 2 unchanged, in" in index(docs)
    first.unlink()
    write(docs / "c.txt", TAMIL)
    assert "1 documents indexed, 0 unchanged, in" in index(docs / "c.txt")
    assert stored(docs, "ta") == {"a.txt", "sub/b.txt", "c.txt"}
    second.unlink()
    assert "0 documents indexed, 1 unchanged, 2 removed" in index(docs)
    assert stored(docs, "ta") == found(docs, embedder, "நைல்", "ta") == {"c.txt"}


def test_rows_that_left_their_table_and_a_changed_language_are_removed(docs):
    table = write(docs / "a.csv", f'id,text\nx,"{TAMIL}"\ny,"{TAMIL} கூடுதல்."\n')
    note = write(docs / "b.txt", TAMIL)
    index(docs)
    assert stored(docs, "ta") == {"x", "y", "b.txt"}
    write(table, f'id,text\nx,"{TAMIL}"\n')
    write(note, ENGLISH)
    assert "2 removed" in index(docs)
    assert (stored(docs, "ta"), stored(docs, "en")) == ({"x"}, {"b.txt"})


def test_a_mixed_document_is_found_in_each_of_its_languages_and_quoted_verbatim(docs, embedder):
    path = write(docs / "mixed.txt", f"{TAMIL}\n\n{ENGLISH}\n\n{SINHALA}")
    index(docs)
    for lang, text in (("ta", TAMIL), ("en", ENGLISH), ("si", SINHALA)):
        hits = Retriever(FolderIndexes(docs.parent / "var" / "index"), embedder).search(text, lang).hits
        assert [h.passage.text for h in hits] == [text]
        document = Store(docs.parent / "var" / "index" / lang / "store.sqlite", lang).document("mixed.txt")
        assert document.text[hits[0].passage.start : hits[0].passage.end] == text
    write(path, f"{TAMIL}\n\n{SINHALA}")
    assert "1 documents indexed" in index(docs)
    assert (stored(docs, "ta"), stored(docs, "en"), stored(docs, "si")) == ({"mixed.txt"}, set(), {"mixed.txt"})
    assert "0 documents indexed, 1 unchanged, in" in index(docs)
    assert "1 documents indexed" in index(docs, "--lang", "ta")
    assert (stored(docs, "ta"), stored(docs, "si")) == ({"mixed.txt"}, set())
    path.unlink()
    write(docs / "other.txt", TAMIL)
    assert "1 removed" in index(docs)


def test_a_moved_folder_costs_nothing_and_is_followed(docs):
    write(docs / "a.txt", TAMIL)
    index(docs)
    moved = docs.rename(docs.with_name("moved"))
    assert "0 documents indexed, 1 unchanged" in index(moved)
    (moved / "a.txt").unlink()
    assert "1 removed" in index(moved)


def test_a_broken_file_is_named_keeps_what_was_indexed_and_the_rest_goes_on(docs):
    path = write(docs / "a.txt", TAMIL)
    index(docs)
    path.write_bytes(bytes(range(256)))
    write(docs / "b.txt", ENGLISH)
    said = index(docs, status=1)
    assert "skipped" in said
    assert "a.txt is not text" in said
    assert "1 documents indexed" in said
    assert (stored(docs, "ta"), stored(docs, "en")) == ({"a.txt"}, {"b.txt"})


def test_two_files_of_one_id_are_not_confused(docs):
    one, two = write(docs / "one" / "a.txt", TAMIL), write(docs / "two" / "a.txt", TAMIL + " வேறு.")
    said = index(one.parent, two.parent, status=1)
    assert "the id 'a.txt' is that of" in said
    index(docs)
    assert {"one/a.txt", "two/a.txt"} <= stored(docs, "ta")


def test_what_a_row_says_of_itself_cannot_break_the_index(docs):
    rows = [
        {"id": "a\ud800", "text": TAMIL, "mark": "\udfff"},
        {"id": "b", "text": TAMIL, "part_of": "en"},
        {"text": "\0"},
    ]
    write(docs / "a.jsonl", "\n".join(map(json.dumps, rows)))
    said = index(docs)
    assert "2 documents indexed" in said
    assert "#3 skipped" in said
    assert "0 documents indexed, 2 unchanged, in" in index(docs)
    assert stored(docs, "ta") == {"a?", "b"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_a_file_name_that_is_no_text_is_named_and_skipped(docs):
    write(docs / "ශ්‍රී ලංකා.txt", TAMIL)
    Path(os.fsdecode(os.fsencode(docs) + b"/\xff.txt")).write_text(TAMIL, encoding="utf-8")
    assert "rename the file" in index(docs, status=1)
    assert stored(docs, "ta") == {"ශ්‍රී ලංකා.txt"}


def wait_for(true, what):
    until = time.monotonic() + 90
    while not true():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.2)


def test_a_watched_folder_is_answered_from_without_a_restart(docs, embedder):
    write(docs / "a.txt", TAMIL)
    command = [sys.executable, "-m", "mlrag", "index", "--watch", str(docs)]
    process = subprocess.Popen(command, cwd=HOUSE, env=os.environ, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: found(docs, embedder, "நைல்", "ta") == {"a.txt"}, "the first file")
        reader = Retriever(FolderIndexes(docs.parent / "var" / "index"), embedder)
        reader.search("நைல்", "ta")
        write(docs / "sub" / "b.txt", TAMIL + " இரண்டாவது ஆவணம்.")
        wait_for(lambda: len(reader.search("நைல்", "ta").hits) == 2, "a new file")
        write(docs / "a.txt", "தேயிலை மலைகளில் வளர்கிறது. அதை 1867 இல் பயிரிட்டனர்.")
        wait_for(lambda: any("1867" in h.passage.text for h in reader.search("தேயிலை", "ta").hits), "a change")
        (docs / "a.txt").unlink()
        wait_for(lambda: {h.passage.doc_id for h in reader.search("நைல்", "ta").hits} == {"sub/b.txt"}, "a deletion")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def test_an_id_is_not_taken_from_a_file_that_is_still_there(docs):
    one, two = docs / "one" / "a.txt", docs / "two" / "a.txt"
    write(one, TAMIL)
    index(one.parent)
    write(two, f"{TAMIL} வேறு.")
    said = index(two.parent, status=1).replace("\n", "")
    assert f"{two}: the id 'a.txt' is that of {one}" in said
    assert "0 documents indexed" in said
    assert text(docs, "ta", "a.txt") == TAMIL
    write(one, f"{TAMIL} மாற்றப்பட்டது.")
    assert "1 documents indexed" in index(one.parent)
    one.rename(docs / "one" / "b.txt")
    assert "1 documents indexed" in index(two.parent)
    assert text(docs, "ta", "a.txt") == f"{TAMIL} வேறு."


def test_an_id_is_not_taken_through_a_part_in_another_language(docs):
    write(docs / "one" / "a.txt", f"{TAMIL}\n\n{ENGLISH}")
    write(docs / "two" / "a.txt", ENGLISH)
    index(docs / "one")
    assert "is that of" in index(docs / "two", status=1)
    assert ENGLISH in text(docs, "en", "a.txt")
    assert TAMIL in text(docs, "en", "a.txt")


def test_an_id_is_not_taken_from_an_upload(docs, embedder):
    folder = docs.parent / "var" / "index"
    jobs = UploadJobs(Retriever(FolderIndexes(folder), embedder))
    job = wait_for_job(jobs, jobs.add("ta", [Upload("a.txt", TAMIL.encode())]))
    assert (job.status, job.files[0].warnings) == ("done", ())
    write(docs / "a.txt", f"{TAMIL} வேறு.")
    assert "is that of an upload" in index(docs, status=1)
    assert text(docs, "ta", "a.txt") == TAMIL
    write(docs / "b.txt", f"{TAMIL} மற்றொன்று.")
    index(docs, status=1)
    job = wait_for_job(jobs, jobs.add("ta", [Upload("b.txt", TAMIL.encode())]))
    assert job.files[0].warnings == ("b.txt: replaces the document that b.txt gave",)
    jobs.close()
