"""Replicas over one PostgreSQL answer as one service; behind nginx they are restarted without a failed request."""

import json
import threading
import time

import httpx
import pytest

from benchmarks.replicas import fleet, load
from mlrag.settings import Settings
from mlrag.state.keys import FileKeys, make_key
from mlrag.testing import FakeOllama, first_sentence
from mlrag.types import Document
from service.app import create_app
from service.jobs import UploadJobs
from service.middleware.auth import check_binding
from tests.support.guarded_service import in_process, opened
from tests.support.postgres import PostgresNode, missing
from tests.support.replicas import nginx
from tests.support.serving import events

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]
NILE = {"q": "How long is the Nile?", "lang": "en"}


@pytest.fixture(scope="module")
def model():
    """A stand-in for a model, whose replies wait while they are held."""
    free = threading.Event()
    free.set()

    def reply(body):
        free.wait(60)
        return first_sentence(body)

    with FakeOllama(reply=reply) as double:
        double.free = free
        yield double


@pytest.fixture(scope="module")
def two(tmp_path_factory, model):
    """Two real services and nginx."""
    if nginx() is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    settings = {"MLRAG_RATE_LIMIT": "", "MLRAG_OLLAMA_HOST": model.url, "MLRAG_DRAIN": "2.5"}
    with PostgresNode() as node, fleet(tmp_path_factory.mktemp("fleet") / "two", node.url, 1, **settings) as two:
        yield two


def client(two, url):
    return httpx.Client(base_url=url, headers=two.headers(0), timeout=60)


def test_a_change_through_one_replica_is_in_the_next_answer_of_the_other(two, tmp_path):
    first, second = (client(two, r.url) for r in two.replicas)
    with first, second:
        assert "6,650" in second.get("/ask", params=NILE).json()["text"]
        text = "The tower of Quarzon is 1234 metres high."
        job = first.post("/corpora/en/documents", json={"documents": [{"name": "q.txt", "text": text}]}).json()
        while (status := second.get(f"/jobs/{job['id']}").json())["status"] in ("queued", "running"):
            time.sleep(0.05)
        assert status["status"] == "done" and status["files"][0]["doc_id"] == "q.txt"
        tower = {"q": "How high is the tower of Quarzon?", "lang": "en"}
        assert "1234" in second.get("/ask", params=tower).json()["text"]
        (tmp_path / "q2.md").write_text("---\nlang: en\n---\nThe tower of Indexon is 4321 metres high.", "utf-8")
        two.run("index", str(tmp_path / "q2.md"))
        for replica in (first, second):
            found = replica.get("/ask", params={"q": "How high is the tower of Indexon?", "lang": "en"}).json()
            assert "4321" in found["text"]
        assert first.get("/ask", params=tower).json()["cached"] is False  # the documents have changed since
        assert second.get("/ask", params=tower).json()["cached"] is True  # the other one answered it
        assert second.delete("/corpora/en/documents/q.txt").status_code == 204
        assert first.get("/corpora/en/documents/q.txt").status_code == 404
        assert "1234" not in first.get("/ask", params=tower).json()["text"]


def test_replicas_restarted_in_turn_fail_no_request_and_cut_no_stream(two, model):
    model.free.clear()
    with client(two, two.url) as c:
        asked = {**NILE, "variant": "e4b", "stream": True}
        streams = [c.stream("POST", "/ask", json={**asked, "k": k}) for k in (2, 3)]
        lines = [stream.__enter__().iter_lines() for stream in streams]
        told = [events(line) for line in lines]
        assert [next(t)[0] for t in told] == ["passages", "passages"]  # nginx keeps nothing back
        with load(two, 3, pause=0.1) as seen:
            first, second = two.replicas
            first.terminate()
            while first.ready == 200:
                time.sleep(0.05)
            assert first.ready in (503, 0)
            model.free.set()
            assert [[name for name, _ in t][-1] for t in told] == ["answer", "answer"]
            first.wait()
            first.start()
            first.wait_ready()
            second.restart()
            assert c.get("/readyz").status_code == 200
        for stream in streams:
            stream.__exit__(None, None, None)
    assert not seen.failed
    assert {kind for kind, _ in seen.ends} == {"GET", "POST", "stream", "search", "upload"}


# Two services in this process: what they share is on the server


@pytest.fixture
def shared(postgres, tmp_path, embedder):
    """Settings of a replica; the server is empty but for one document."""
    from mlrag.index.postgres.indexes import PostgresIndexes
    from mlrag.ingest.index_documents import index_documents
    from mlrag.state.postgres import shared_server

    indexes = PostgresIndexes(postgres.url)
    indexes.clear()
    index_documents([Document("nile", "en", "The Nile is 6,650 kilometres long.", "Nile")], indexes, embedder)
    indexes.close()
    emptied = "TRUNCATE mlrag.api_key, mlrag.rate, mlrag.answer"
    shared_server(postgres.url).write(lambda c: c.execute(emptied))
    yield lambda name, **more: Settings(data_dir=tmp_path / name, store_url=postgres.url, **more)
    shared_server(postgres.url).write(lambda c: c.execute(emptied))  # a key left would close other tests' services


@in_process
async def test_a_key_and_its_limit_hold_at_all_replicas(shared, embedder):
    from mlrag.factory import make_keys

    key, token = make_key("anna", "read")
    make_keys(shared("a")).add(key)
    headers, seen = {"Authorization": f"Bearer {token}"}, []
    apps = [create_app(shared(name, rate_limit="3/minute"), embedder=embedder) for name in "ab"]
    async with opened(None, apps[0]) as a, opened(None, apps[1]) as b:
        for replica in (a, b, a, b, a):
            seen.append((await replica.get("/languages", headers=headers)).status_code)
        assert (await b.get("/languages")).status_code == 401
        assert int((await b.get("/languages", headers=headers)).headers["retry-after"]) <= 60
    assert seen == [200, 200, 200, 429, 429]


@in_process
async def test_an_answer_is_kept_for_all_replicas_and_missed_without_its_table(shared, embedder):
    from mlrag.state.postgres import shared_server

    server = shared_server(shared("a").store_url.get_secret_value())
    apps = [create_app(shared(name, port=port), embedder=embedder) for name, port in (("a", 8001), ("b", 8002))]
    async with opened(None, apps[0]) as a, opened(None, apps[1]) as b:
        first, second = [(await replica.get("/ask", params=NILE)).json() for replica in (a, b)]
        assert (first["cached"], second["cached"]) == (False, True)
        assert first["text"] == second["text"]
        server.write(lambda c: c.execute("ALTER TABLE mlrag.answer RENAME TO away"))
        try:
            alone = (await a.get("/ask", params=NILE)).json()
        finally:
            server.write(lambda c: c.execute("ALTER TABLE mlrag.away RENAME TO answer"))
        assert alone["cached"] is False and alone["text"] == first["text"]


@in_process
async def test_a_service_that_is_about_to_stop_is_not_ready_and_still_answers(shared, embedder):
    app = create_app(shared("a"), embedder=embedder)
    async with opened(None, app) as a:
        assert (await a.get("/readyz")).json()["status"] == "ready"
        app.state.stopping = True
        reply = await a.get("/readyz")
        assert (reply.status_code, reply.json()["status"]) == (503, "stopping")
        assert (await a.get("/ask", params=NILE)).status_code == 200


@in_process
async def test_a_service_without_documents_is_ready_for_who_says_so(tmp_path, embedder):
    async with opened(None, create_app(Settings(data_dir=tmp_path), embedder=embedder)) as c:
        assert (await c.get("/readyz")).status_code == 503
        assert (await c.get("/readyz", params={"empty": True})).json()["status"] == "ready"


@in_process
async def test_what_is_open_to_all_asks_no_server_for_keys(shared, embedder):
    app = create_app(shared("a"), embedder=embedder)
    async with opened(None, app) as a:
        server = app.state.dependencies.jobs._statuses._server
        server.write(lambda c: c.execute("ALTER TABLE mlrag.api_key RENAME TO away"))
        try:
            time.sleep(1)  # until the keys are read anew
            assert (await a.get("/healthz")).status_code == 200
            reply = await a.get("/languages")
            assert (reply.status_code, reply.json()["error"]["message"]) == (503, "the keys cannot be read")
        finally:
            server.write(lambda c: c.execute("ALTER TABLE mlrag.away RENAME TO api_key"))


def test_a_job_is_known_to_all_replicas_and_one_that_waited_at_its_end_is_told(shared, embedder):
    from mlrag.factory import make_job_statuses, make_retriever
    from service.uploads import Upload

    retriever = make_retriever(shared("a"), embedder)
    first, second = (UploadJobs(retriever, statuses=make_job_statuses(shared(name))) for name in "ab")
    job = first.add("en", [Upload("a.txt", b"Tea was first planted in 1867.")])
    waits = first.add("en", [Upload("b.txt", b"Tea was first planted in 1867.")])
    first.close()
    assert second.get(job.id).status == "done" or "send it again" in second.get(job.id).error
    assert second.get(waits.id).is_finished
    first = UploadJobs(retriever, statuses=make_job_statuses(shared("a")))
    jobs = [first.add("en", [Upload(f"{n}.txt", b"Tea was first planted in 1867.")]) for n in range(3)]
    first.close(60.0)
    assert [second.get(job.id).status for job in jobs] == ["done"] * 3
    assert second.get("0") is None
    retriever.indexes.close()


def test_keys_left_in_the_folder_keep_a_service_from_standing_open(shared):
    from mlrag.factory import make_keys

    settings, (key, _) = shared("a"), make_key("anna", "read")
    keys = make_keys(settings)
    check_binding(settings, keys)
    FileKeys(settings.keys_file).add(key)
    with pytest.raises(Exception, match="mlrag keys move"):
        check_binding(settings, keys)


def test_keys_move_to_the_server(shared, monkeypatch):
    from typer.testing import CliRunner

    from mlrag.cli.main import app
    from mlrag.factory import make_keys

    run, settings = CliRunner(), shared("a")
    monkeypatch.setenv("MLRAG_DATA_DIR", str(settings.data_dir))
    assert run.invoke(app, ["keys", "move"]).exit_code == 1
    token = run.invoke(app, ["keys", "add", "முரளி"]).stdout.strip()
    assert json.loads(settings.keys_file.read_text())["keys"][0]["name"] == "முரளி"
    monkeypatch.setenv("MLRAG_STORE_URL", settings.store_url.get_secret_value())
    assert run.invoke(app, ["keys", "move"]).exit_code == 0
    assert [key.name for key in make_keys(settings).read()] == ["முரளி"]
    assert json.loads(settings.keys_file.read_text())["keys"] == []
    assert token.split("_")[1] == make_keys(settings).read()[0].id
