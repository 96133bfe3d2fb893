"""Documents come in over HTTP, are found at the next question, and go again."""

import shutil
import threading
import time
from urllib.parse import quote

import httpx
import pytest

from mlrag.documents.readers import read_documents
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.settings import Settings
from service.app import create_app
from service.jobs import MAX_WAITING, UploadJobs
from service.uploads import Upload
from tests.support.guarded_service import code, in_process, opened
from tests.support.serving import serving

ZORAN = (
    "---\ntitle: செவ்விளநீர்ப் பாலம்\ntopic: bridge\n---\n\nசெவ்விளநீர்ப் பாலத்தின் நீளம் 4321 மீட்டர். அது மயிலாற்றின் குறுக்கே கட்டப்பட்டது."
)
ASKED = {"q": "செவ்விளநீர்ப் பாலத்தின் நீளம் எவ்வளவு?", "lang": "ta"}


@pytest.fixture
def folder(settings, tmp_path):
    for lang in ("ta", "si"):
        shutil.copytree(settings.index_dir / lang, tmp_path / "index" / lang)
    return tmp_path


@pytest.fixture
def client(folder):
    app = create_app(Settings(data_dir=folder, cache_answers=0))
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def done(client, reply):
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == f"/jobs/{reply.json()['id']}"
    while True:
        job = client.get(reply.headers["location"]).json()
        if job["status"] in ("done", "failed"):
            return job
        time.sleep(0.05)


def total(client, lang="ta"):
    return client.get(f"/corpora/{lang}/documents").json()["total"]


def test_an_upload_is_found_at_the_next_question_and_a_deletion_is_not(client):
    assert "4321" not in client.post("/ask", json=ASKED).json()["text"]
    before = total(client)
    job = done(client, client.post("/corpora/ta/documents", files=[("files", ("பாலம்.md", ZORAN.encode()))]))
    assert [(f["doc_id"], f["documents"], f["error"]) for f in job["files"]] == [("பாலம்.md", 1, "")]
    reply = client.post("/ask", json=ASKED | {"filters": {"topic": "bridge"}}).json()
    assert "4321" in reply["text"]
    assert reply["warnings"] == []
    assert {c["doc_id"] for c in reply["citations"]} == {"பாலம்.md"}
    assert total(client) == before + 1
    one = client.get("/corpora/ta/documents/பாலம்.md").json()
    assert (one["title"], one["meta"], one["source"]) == ("செவ்விளநீர்ப் பாலம்", {"topic": "bridge"}, "upload:பாலம்.md")
    assert client.delete("/corpora/ta/documents/பாலம்.md").status_code == 204
    assert client.delete("/corpora/ta/documents/பாலம்.md").status_code == 404
    assert "4321" not in client.post("/ask", json=ASKED).json()["text"]
    assert total(client) == before


def test_no_folder_of_the_operator_is_shown(tmp_path, embedder):
    inside, outside = tmp_path / "corpora/ta/பாலம்.md", tmp_path / "elsewhere/தேயிலை.txt"
    for path in (inside, outside):
        path.parent.mkdir(parents=True)
        path.write_text("இது ஒரு சிறிய ஆவணம், அவ்வளவுதான்.", encoding="utf-8")
        index_documents(read_documents([path], "ta"), FolderIndexes(tmp_path / "index"), embedder)
    app = create_app(Settings(data_dir=tmp_path, corpora=tmp_path / "corpora", cache_answers=0))
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        listed = client.get("/corpora/ta/documents").json()["documents"]
        assert {d["source"] for d in listed} == {"ta/பாலம்.md", "தேயிலை.txt"}
        for d in listed:
            assert client.get(f"/corpora/ta/documents/{quote(d['id'])}").json()["source"] == d["source"]


def test_several_files_json_and_a_bare_body_come_in(client):
    bad = ("files", ("bad.md", b"\xff\xfe\x00"))
    files = [("files", ("சிறு கதை.md", ZORAN.encode())), bad, ("files", ("image.png", b"\x89PNG"))]
    job = done(client, client.put("/corpora/ta/documents", files=files))
    assert job["status"] == "done"
    assert [bool(f["error"]) for f in job["files"]] == [False, True, True]
    assert job["files"][1]["error"].startswith("bad.md begins with the mark of UTF-16-LE but breaks off")
    assert "tmp" not in str(job)
    documents = [{"name": "කඳු.md", "text": "මෙහි කන්දේ උස මීටර් 1234 කි."}, {"name": "b.txt", "text": "නිල් මල"}]
    job = done(client, client.post("/corpora/si/documents", json={"documents": documents}))
    assert [f["doc_id"] for f in job["files"]] == ["කඳු.md", "b.txt"]
    reply = client.put("/corpora/ta/documents", params={"name": "மழை.md"}, content="மழை பெய்கிறது.".encode())
    assert done(client, reply)["files"][0]["doc_id"] == "மழை.md"
    assert done(client, client.post("/corpora/ta/documents", files=[bad]))["status"] == "failed"


@in_process
async def test_a_form_that_is_too_long_is_refused_and_not_read_whole(folder):
    read = 0

    async def pieces():
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\n'
        for _ in range(1000):
            read += 1
            yield b"a" * 10_000

    async with opened(folder, max_upload=100_000) as c:
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        reply = await c.post("/corpora/ta/documents", content=pieces(), headers=form)
        assert (reply.status_code, code(reply)) == (413, "too_large")
        assert read == 10
        reply = await c.post("/corpora/ta/documents", files={"files": ("a.md", b"a" * 100_001)})
        assert (reply.status_code, code(reply)) == (413, "too_large")


def test_names_in_a_form_are_taken_as_browsers_write_them(client):
    head = 'Content-Disposition: form-data; name="files"; filename="%22மழை%22 1.md"'.encode()
    body = b"--x\r\n" + head + b"\r\n\r\n" + ZORAN.encode() + b"\r\n--x--\r\n"
    reply = client.post(
        "/corpora/ta/documents", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert [f["name"] for f in reply.json()["files"]] == ['"மழை" 1.md']


def test_the_same_again_changes_nothing_and_new_text_replaces(client):
    for text in (ZORAN, ZORAN, ZORAN.replace("4321", "5678")):
        done(client, client.post("/corpora/ta/documents", files=[("files", ("p.md", text.encode()))]))
    assert client.get("/corpora/ta/documents/p.md").json()["text"].count("5678") == 1


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd.md", "/etc/x.md", "a/b/c.md", "CON.md", "..%2f..%2fx.md", "x" * 290 + ".md", "ශ්‍රී.md"]
)
def test_a_name_is_an_id_and_never_a_path(client, folder, name):
    files = {p.name for p in (folder / "index" / "ta").iterdir()}
    reply = client.put("/corpora/ta/documents", params={"name": name}, content=ZORAN.encode())
    job = done(client, reply)
    assert job["files"][0]["doc_id"] == name
    assert [p.name for p in folder.iterdir()] == ["index"]
    new = {p.name for p in (folder / "index" / "ta").iterdir()} - files
    assert all(n.startswith(("gen-", "store.sqlite-")) for n in new)
    listed = client.get("/corpora/ta/documents", params={"limit": 500}).json()["documents"]
    assert name in {row["id"] for row in listed}
    address = f"/corpora/ta/documents/{quote(name, safe='')}"
    assert client.get(address).json()["id"] == name
    assert client.delete(address).status_code == 204


@pytest.mark.parametrize(
    ("status", "send"),
    [
        (404, lambda c: c.post("/corpora/xx/documents", content=b"x", params={"name": "a.md"})),
        (404, lambda c: c.post("/corpora/..%2f..%2fetc/documents", content=b"x", params={"name": "a.md"})),
        (404, lambda c: c.get("/corpora/en/documents")),
        (404, lambda c: c.get("/corpora/ta/documents/nobody")),
        (404, lambda c: c.get("/jobs/nobody")),
        (422, lambda c: c.post("/corpora/ta/documents", content=b"x")),
        (422, lambda c: c.post("/corpora/ta/documents", content=b"x", params={"name": "a\nb.md"})),
        (422, lambda c: c.post("/corpora/ta/documents", json={"documents": []})),
        (422, lambda c: c.post("/corpora/ta/documents", json={"path": "/etc/passwd"})),
        (422, lambda c: c.post("/corpora/ta/documents", data={"a": "b"}, files={"c": (None, b"d")})),
        (422, lambda c: c.get("/corpora/ta/documents", params={"limit": 0})),
        (422, lambda c: c.post("/corpora/ta/documents", content=b"x", headers={"Content-Type": "multipart/form-data"})),
    ],
)
def test_what_cannot_be_taken_is_a_clear_error(client, status, send):
    reply = send(client)
    assert reply.status_code == status, reply.text
    assert reply.json()["error"]["message"]


def test_pages_hold_every_document_once(client):
    count, seen = total(client), []
    for offset in range(0, count, 10):
        page = client.get("/corpora/ta/documents", params={"offset": offset, "limit": 10}).json()
        seen += [row["id"] for row in page["documents"]]
    assert seen == sorted(set(seen))
    assert len(seen) == count
    assert client.get("/corpora/ta/documents", params={"offset": count}).json()["documents"] == []


def test_corpora_are_counted_and_weighed(client):
    rows = {row["lang"]: row for row in client.get("/corpora").json()}
    assert set(rows) == {"ta", "si"}
    assert rows["ta"]["documents"] == total(client)
    assert rows["ta"]["sentences"] > rows["ta"]["passages"] >= rows["ta"]["documents"]
    assert rows["ta"]["bytes"] > 100_000


def test_a_first_upload_makes_the_language_answer(tmp_path):
    app = create_app(Settings(data_dir=tmp_path, cache_answers=0))
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/readyz").status_code == 503
        done(client, client.post("/corpora/ta/documents", files=[("files", ("p.md", ZORAN.encode()))]))
        assert client.get("/readyz").status_code == 200
        assert client.get("/search", params=ASKED).json()["hits"][0]["doc_id"] == "p.md"


def test_questions_are_answered_while_documents_come_in(client):
    ids = []

    def upload():
        for n in range(5):
            text = ZORAN.replace("4321", str(5000 + n))
            reply = client.post("/corpora/ta/documents", files=[("files", (f"p{n}.md", text.encode()))])
            ids.append(done(client, reply)["status"])

    thread = threading.Thread(target=upload)
    thread.start()
    statuses = []
    while thread.is_alive():
        statuses.append(client.get("/ask", params=ASKED).status_code)
    assert set(statuses) == {200}
    assert ids == ["done"] * 5


def test_uploads_that_would_wait_too_long_are_turned_away(folder, embedder):
    from mlrag.answering.retriever import Retriever
    from mlrag.index.off_topic_baseline import OffTopicBaselines

    busy = threading.Event()

    class SlowBaselines(OffTopicBaselines):
        """Busy until told otherwise."""

        def prepare_index(self, index):
            busy.wait(30)

    retriever = Retriever(FolderIndexes(folder / "index"), embedder)
    retriever.baselines = SlowBaselines(embedder)
    jobs = UploadJobs(retriever)
    upload = [Upload("p.md", ZORAN.encode())]
    added = [jobs.add("ta", upload) for _ in range(MAX_WAITING + 2)]
    assert added[-1] is None
    busy.set()
    jobs.close()
    assert jobs.get(added[0].id).status == "done"
