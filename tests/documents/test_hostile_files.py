"""A hostile file gets a sentence, costs no more than its limits, and the files after it are read."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from mlrag.documents.readers import Limits, Sandbox, load, load_unsandboxed
from mlrag.errors import DocumentError
from tests.support.files import write_docx, write_pdf

pytestmark = pytest.mark.slow

LAUGHS = '<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
SMALL = Limits(size=200_000)


def written(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.txt", "", "holds no text"),
        ("blank.md", "---\ntitle: T\n---\n \n", "holds no text"),
        ("binary.txt", bytes(range(256)) * 9, "not text in a known encoding"),
        ("deep.html", "<div>" * 5000 + "text" + "</div>" * 5000, "nests its elements too deeply"),
        ("deep.jsonl", "[" * 100_000, "holds no text"),
        ("deep.md", "---\na: " + "[" * 5000 + "\n---\ntext", "nests deeper than 20 levels"),
        ("broken.md", "---\na: [x\n---\ntext", "is not YAML"),
        ("laughs.md", "---\na: &a [x, x]\nb: &b [*a, *a]\n---\ntext", "alias"),
        ("list.md", "---\n- a\n---\ntext", "not a list of fields"),
        ("no.docx", "text", "not a .docx that can be opened"),
        ("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
        ("header.csv", "a,b\n", "no rows"),
        ("big.txt", "x" * 200_001, "more than 0 MB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, data, said):
    with pytest.raises(DocumentError, match=said) as caught:
        load_unsandboxed(written(tmp_path / name, data), limits=SMALL)
    assert name in str(caught.value)


def test_a_zip_bomb_and_entities_are_not_unpacked(tmp_path):
    with pytest.raises(DocumentError, match=r"unpacks in word/document.xml to 1 MB, more than 0 MB"):
        load_unsandboxed(write_docx(tmp_path / "bomb.docx", ["0" * 1_000_000]), limits=SMALL)
    with pytest.raises(DocumentError, match="defines XML entities"):
        load_unsandboxed(write_docx(tmp_path / "laughs.docx", ["x"], doctype=LAUGHS))


def test_half_a_gigabyte_in_one_line_is_not_even_opened(tmp_path):
    path = tmp_path / "line.txt"
    with path.open("wb") as file:
        file.truncate(500_000_001)
    with Sandbox(Limits()) as sandbox, pytest.raises(DocumentError, match="500 MB, more than 50 MB"):
        load(path, sandbox)


@pytest.mark.parametrize("text", ["නයිල්" * 300_000, "尼罗河" * 500_000, "The Nile " * 200_000])
def test_a_line_may_be_as_long_as_the_file(tmp_path, text):
    with Sandbox(Limits()) as sandbox:
        assert load(written(tmp_path / "a.txt", text), sandbox).documents[0].text == text.strip()


def test_memory_is_bounded_and_the_next_file_is_read(tmp_path):
    hungry = written(tmp_path / "a.jsonl", '{"text": "x", "a": [' + "{}," * 12_000_000 + "{}]}")
    with Sandbox(Limits(memory=700_000_000)) as sandbox:
        with pytest.raises(DocumentError, match="700 MB of memory"):
            load(hungry, sandbox)
        assert load(write_docx(tmp_path / "b.docx", ["The Nile flows through Egypt."]), sandbox).documents


@pytest.mark.skipif(sys.platform != "linux", reason="looks for a process in /proc")
def test_time_is_bounded_and_the_next_file_is_read(tmp_path, monkeypatch):
    slow = tmp_path / "pdffonts"
    slow.write_text("#!/bin/sh\necho $$ > " + str(tmp_path / "pid") + "\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Sandbox(Limits(seconds=10)) as sandbox:
        with pytest.raises(DocumentError, match="takes longer than 10 s"):
            load(write_pdf(tmp_path / "a.pdf", [[("Helvetica", "x")]]), sandbox)
        process = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
        until = time.monotonic() + 30
        while process.exists() and ") Z " not in process.read_text():  # Z: dead, to be collected by another
            assert time.monotonic() < until, "poppler's program outlived its time"
            time.sleep(0.1)
        assert load(write_docx(tmp_path / "b.docx", ["The Nile flows through Egypt."]), sandbox).documents


def test_rows_that_break_are_named_and_the_others_kept(tmp_path):
    rows = [json.dumps({"text": "The Nile flows through Egypt."}), "{" * 50_000, '{"text": 7}', "\ufffe"]
    loaded = load_unsandboxed(written(tmp_path / "a.jsonl", "\n".join(rows)))
    assert len(loaded.documents) == 1
    assert len(loaded.warnings) == 3
