"""Spans reach a real OTLP receiver, inside the caller's trace, and hold no question."""

import asyncio
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlrag.errors import PrivacyError
from mlrag.settings import Settings
from service.app import create_app
from tests.support.guarded_service import TAMIL, opened
from tests.support.serving import serving

TRACE = "0af7651916cd43dd8448eb211c80319c"


@contextmanager
def receiver():
    """(address, bodies received)."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args):
            """Not to the test's output."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def test_spans_tell_the_steps_of_a_question_and_no_text(folder, monkeypatch):
    async def ask(to):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to)
        async with opened(folder) as client:
            traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            reply = await client.get("/ask", params={"q": TAMIL, "lang": "ta"}, headers=traced)
        assert reply.status_code == 200

    with receiver() as (to, bodies):
        asyncio.run(ask(to))
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    spans = {s.name: s for r in requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans}
    whole = spans["GET /ask"]
    for name in ("embed", "retrieve", "generate", "check"):
        step = spans[name]
        assert step.parent_span_id == whole.span_id and step.trace_id == bytes.fromhex(TRACE)
        assert whole.start_time_unix_nano <= step.start_time_unix_nano <= step.end_time_unix_nano
    facts = {a.key: a.value for a in whole.attributes}
    assert facts["mlrag.lang"].string_value == "ta" and facts["http.response.status_code"].int_value == 200
    assert TAMIL.split()[0].encode() not in b"".join(bodies)


def test_private_sends_no_spans_to_another_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:4318")
    with pytest.raises(PrivacyError, match=r"collector\.example"):
        create_app(Settings(data_dir=tmp_path, private=True))


def test_fastapi_sends_no_spans_of_its_own_for_they_hold_the_query(folder, monkeypatch):
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    with receiver() as (to, bodies):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", to)
        with serving(create_app(Settings(data_dir=folder))) as url:
            assert httpx.get(f"{url}/ask", params={"q": TAMIL, "lang": "ta"}).status_code == 200
    assert b"GET /ask" in b"".join(bodies)
    assert b"url.query" not in b"".join(bodies)
