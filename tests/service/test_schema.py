"""What the API says of itself is true: every operation, asked all that its description allows and more."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import regex
from hypothesis import HealthCheck, settings

from mlrag.settings import Settings
from service.app import create_app
from tests.support.serving import serving

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install -e '.[dev]'")
API = create_app(Settings()).openapi()
SCHEMA = schemathesis.openapi.from_dict(
    API, config=schemathesis.Config.from_path(Path(__file__).parent / "schemathesis.toml")
)
SCHEMA.config.phases.coverage.enabled = False  # minutes: for the run by hand
TAMIL = "டெங்கு கொசு எப்போது கடிக்கும்?"
HOSTILE = {
    "NUL": f"{TAMIL}\0",
    "surrogate": f"{TAMIL}\ud800",
    "astral": f"🦟𑀓𑁆{TAMIL}",
    "right to left": f"\u202eمتى\u2066{TAMIL}",
    "joiners alone": "\u200d\u200c\ufeff",
    "marks without letters": "\u0bbe\u0bcd" * 300,
    "a path": "../../etc/passwd\n",
    "markup": "<script>alert(1)</script>{{7*7}}${7}%00%ff",
    "SQL": "'; DROP TABLE documents; --",
    "long": "நீ" * 3000,
}
NO_EXAMPLE = {"/healthz", "/v1/models", "/v1/models/{name}", "/reports/{name}"}  # they hold no word of any language


@pytest.fixture(scope="module")
def address(folder):
    """The service without a model, over two small documents, and the report that the examples name."""
    report = folder / "reports" / "dd3394011a"
    report.mkdir(parents=True)
    (report / "ta.html").write_text("<p>தமிழ்</p>", encoding="utf-8")
    app = create_app(Settings(data_dir=folder, cache_answers=0, ollama_host="http://127.0.0.1:9", deadline=20))
    with serving(app) as address:
        yield address


@SCHEMA.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_operation_replies_as_it_says(case, address):
    case.call_and_validate(base_url=address, timeout=30)


def documented(path, method, reply):
    """Is this reply's status among those that the operation names, with the body that errors have?"""
    assert str(reply.status_code) in API["paths"][path][method]["responses"], reply.text
    if reply.status_code >= 400:
        assert set(reply.json()["error"]) == {"code", "message", "hint"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_answered_or_refused(address, text):
    bodies = {
        "/ask": {"q": text, "lang": "ta", "filters": {text[:50]: [text]}, "turns": [{"role": "user", "text": text}]},
        "/search": {"q": TAMIL + text, "lang": "ta", "explain": True},
        "/v1/chat/completions": {"model": "extractive", "messages": [{"role": "user", "content": text}]},
        "/v1/embeddings": {"model": "bundled", "input": [text]},
    }
    upload = {"documents": [{"name": f"{text[:50]}.txt", "text": f"{TAMIL} {text}"}]}
    with httpx.Client(base_url=address, timeout=30) as client:

        def post(path, body, at=None):
            sent = json.dumps(body).encode()  # a lone surrogate travels as its escape
            reply = client.post(at or path, content=sent, headers={"Content-Type": "application/json"})
            documented(path, "post", reply)
            return reply

        for path, body in bodies.items():
            post(path, body)
        for field in ("lang", "variant"):
            post("/ask", {"q": TAMIL, field: text[:150]})
        post("/corpora/{lang}/documents", upload, "/corpora/ta/documents")
        plain = text.encode("utf-8", "replace").decode()
        for path, params in (("/ask", {"q": plain, "lang": "ta"}), ("/search", {"q": TAMIL, "filters": plain})):
            documented(path, "get", client.get(path, params=params))
        documented("/", "get", client.get("/", params={"lang": plain}))


def test_an_upload_of_nothing_is_refused(address):
    with httpx.Client(base_url=address, timeout=30) as client:
        reply = client.put("/corpora/ta/documents", params={"name": "மழை.md"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "bad_document")


def test_a_method_that_is_not_there_is_told_which_are(address):
    reply = httpx.delete(f"{address}/languages")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(("path", "method"), [(p, m) for p, ops in API["paths"].items() for m in ops])
def test_every_operation_has_an_example_in_tamil_and_tells_its_errors(path, method):
    operation = API["paths"][path][method]
    assert {"401", "403", "413", "422", "429", "503", "504"} <= set(operation["responses"])
    assert operation.get("description") or operation.get("summary")
    told = json.dumps(resolved(operation), ensure_ascii=False)
    assert path in NO_EXAMPLE or regex.search(r"\p{Tamil}|\bta\b", told)


def resolved(value):
    """The same with every reference followed."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return resolved(API["components"]["schemas"][value["$ref"].rsplit("/", 1)[1]])
    return {name: resolved(item) for name, item in value.items()}
