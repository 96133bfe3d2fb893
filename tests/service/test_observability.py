"""What is seen of a request: headers, counts, logs; and answers from the cache."""

import json
import logging
import shutil
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from mlrag.answering.cache import AnswerCache, StoreContents
from mlrag.answering.retriever import Retriever
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.language_access import only
from mlrag.languages import languages
from mlrag.settings import Settings
from mlrag.state.answers import SqliteAnswers
from mlrag.testing import FakeOllama
from mlrag.types import Document
from service.app import create_app
from service.middleware.access_log import JSONLines
from service.templating import render_page
from tests.support.guarded_service import SINHALA, TAMIL, in_process, opened, slow_app

# Headers


@in_process
async def test_every_reply_carries_the_headers_and_an_id(folder):
    async with opened(folder, slow_app(folder)) as c:
        for path in ("/", "/ask", "/nothing", "/ask/bug", "/healthz"):
            reply = await c.get(path)
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
            assert "unsafe" not in reply.headers["content-security-policy"]
            assert len(reply.headers["x-request-id"]) == 32
            assert "access-control-allow-origin" not in reply.headers
        assert (await c.get("/healthz", headers={"X-Request-ID": "mine-1"})).headers["x-request-id"] == "mine-1"
        forged = await c.get("/healthz", headers={"X-Request-ID": 'x"} {"level": "error'})
        assert len(forged.headers["x-request-id"]) == 32


@in_process
async def test_the_page_runs_its_own_script_and_no_other(folder):
    async with opened(folder) as c:
        first, second = await c.get("/"), await c.get("/")
    nonce = first.headers["content-security-policy"].split("nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}">' in first.text
    assert f'<style nonce="{nonce}">' in first.text
    assert "style=" not in first.text
    assert nonce not in second.text


@in_process
async def test_other_sites_are_let_in_by_name_only(folder, keys):
    ours, asked = "https://intranet.example", {"Access-Control-Request-Method": "POST"}
    keyed = keys("x")
    async with opened(folder, cors_origins=(ours,)) as c:
        before = await c.options("/ask", headers={"Origin": ours, **asked})
        assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, ours)
        assert (await c.options("/ask", headers={"Origin": "https://evil.example", **asked})).status_code == 400
        assert (await c.post("/ask", json={"q": TAMIL}, headers={"Origin": ours, **keyed})).status_code == 200


@in_process
async def test_what_documents_hold_is_escaped(folder):
    app = create_app(Settings(data_dir=folder))

    async def page():
        hostile = "</script><script>alert(1)</script>"
        shown = list(languages().values())
        return render_page("ask", "en", shown=shown, chosen="en", longest=9, variant=hostile, variants=[hostile])

    app.add_api_route("/hostile", page)
    async with opened(folder, app) as c:
        assert "<script>alert" not in (await c.get("/hostile")).text


# Counts and logs


def counts(text):
    return {
        (s.name, *sorted(s.labels.values())): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }


@in_process
async def test_metrics_count_by_language(folder):
    async with opened(folder) as c:
        for q in (TAMIL, TAMIL, "காவிரி ஆறு எந்த கோளில் உள்ளது 9999?", SINHALA):
            assert (await c.get("/ask", params={"q": q, "k": 4})).status_code == 200
        await c.get("/ask")
        found = counts((await c.get("/metrics")).text)
    assert found["mlrag_questions_total", "ta"] == 3
    assert found["mlrag_abstentions_total", "ta"] == 1
    assert found["mlrag_cache_hits_total", "ta"] == 1
    assert found["mlrag_questions_total", "si"] == 1
    assert found["mlrag_retrieval_seconds_count", "ta"] == 2
    assert found["mlrag_wrong_language_retries_total", "ta"] == 0
    assert found["mlrag_http_replies_total", "200"] == 4
    assert found["mlrag_http_replies_total", "422"] == 1
    assert found["mlrag_questions_running",] == 0


@in_process
async def test_metrics_count_retries_and_tokens_of_a_model(folder):
    with FakeOllama(reply=lambda _: "The dengue mosquito bites during the day. [1]") as double:
        async with opened(folder, ollama_host=double.url, variant="e4b") as c:
            reply = (await c.get("/ask", params={"q": TAMIL, "lang": "ta"})).json()
            found = counts((await c.get("/metrics")).text)
    assert reply["abstained"]
    assert "retried:wrong_language" in reply["warnings"]
    assert found["mlrag_wrong_language_retries_total", "ta"] == 1
    assert found["mlrag_model_seconds_count", "ta"] == 1
    assert found["mlrag_tokens_total", "output", "ta"] == reply["usage"]["output_tokens"] > 0
    assert found["mlrag_tokens_total", "prompt", "ta"] == reply["usage"]["prompt_tokens"] > 0


@contextmanager
def logged(texts=False):
    """The lines that the service's loggers write."""
    lines = []

    class Keep(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler, root = Keep(), logging.getLogger("mlrag")
    handler.setFormatter(JSONLines(texts))
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


@in_process
async def test_logs_are_json_and_hold_no_question_unless_asked(folder):
    for asked in (False, True):
        async with opened(folder, slow_app(folder, log_questions=asked)) as c:
            with logged(asked) as lines:
                await c.get("/ask", params={"q": TAMIL}, headers={"X-Request-ID": "r-7"})
                await c.post("/ask", json={"q": TAMIL})
                await c.get("/ask/bug", params={"q": TAMIL})
        rows = [json.loads(line) for line in lines]
        assert [r["message"] for r in rows] == ["answer", "request", "answer", "request", "unexpected", "request"]
        assert rows[0]["request_id"] == rows[1]["request_id"] == "r-7"
        assert rows[1] | {"method": "GET", "path": "/ask", "status": 200} == rows[1]
        assert (rows[4]["error"], rows[5]["status"]) == ("RuntimeError", 500)
        assert (TAMIL in "".join(lines)) is asked


# The cache


@in_process
async def test_an_equal_question_is_answered_from_the_cache_until_its_documents_change(folder, embedder):
    async with opened(folder) as c:

        async def ask(**more):
            return (await c.get("/ask", params={"q": "காவிரி ஆற்றின் நீளம் எவ்வளவு?", "lang": "ta", **more})).json()

        first, second = await ask(), await ask(q="  காவிரி  ஆற்றின் நீளம் எவ்வளவு? ")
        assert (first["cached"], first["age"]) == (False, None)
        assert second["cached"]
        assert second["age"] >= 0
        same = ("text", "citations", "hits", "model", "warnings", "confidence")
        assert {k: first[k] for k in same} == {k: second[k] for k in same}
        assert not (await ask(k=1))["cached"]
        changed = Document("ta-b", "ta", "வைகை ஆற்றின் நீளம் 258 கி.மீ.", "வைகை")
        index_documents([changed], FolderIndexes(folder / "index"), embedder)
        assert not (await ask())["cached"]
        assert (await ask())["cached"]
    async with opened(folder, cache_answers=0) as c:
        assert not [await ask(), await ask()][1]["cached"]


@in_process
async def test_an_index_made_anew_is_another_though_it_has_as_many_commits(tmp_path, embedder):
    def index(length):
        shutil.rmtree(tmp_path / "index", ignore_errors=True)
        text = f"வைகை ஆற்றின் நீளம் {length} கி.மீ."
        index_documents([Document("ta-b", "ta", text, "வைகை")], FolderIndexes(tmp_path / "index"), embedder)

    index(258)
    async with opened(tmp_path) as c:

        async def ask():
            return (await c.get("/ask", params={"q": "வைகை ஆற்றின் நீளம் எவ்வளவு?", "lang": "ta"})).json()

        assert "258" in (await ask())["text"] and (await ask())["cached"]
        index(776)
        answer = await ask()
        assert "776" in answer["text"] and not answer["cached"]


def test_equal_options_share_a_place_and_others_do_not(folder, embedder):
    settings = Settings(data_dir=folder)
    retriever = Retriever(FolderIndexes(settings.index_dir), embedder)
    cache = AnswerCache(SqliteAnswers(folder / "other.sqlite"), settings, embedder, StoreContents(retriever))

    def place(lang="ta", variant="extractive", **options):
        return cache.key("வைகை?", lang, variant, options)

    same = place(filters={"a": ["1"], "b": ["2"]}, only=frozenset({"x", "y", "z"}))
    assert same == place(only=frozenset({"z", "y", "x"}), filters={"b": ["2"], "a": ["1"]})
    others = [place(), place(k=3), place(lang=None), place(variant="e4b"), place(filters={"a": ["2"]})]
    with only(frozenset({"ta"})):
        others.append(place())
    assert len({same, *others}) == 7
    cache.close()


@in_process
async def test_abstentions_are_not_kept_and_old_answers_make_room(folder):
    async with opened(folder, cache_answers=1) as c:

        async def cached(q):
            return (await c.get("/ask", params={"q": q})).json()["cached"]

        assert [await cached("நிலாவில் எத்தனை பேர் வாழ்கிறார்கள் 77?") for _ in range(2)] == [False, False]
        assert [await cached(q) for q in (TAMIL, TAMIL, SINHALA, TAMIL)] == [False, True, False, False]
