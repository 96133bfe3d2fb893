"""/ask?variant=auto follows the installed route, and says which rule chose."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlrag.models.route_file import write_routes
from mlrag.models.routing import Budget, RouteRule, Routes
from mlrag.testing import FakeOllama, first_sentence
from service.app import create_app
from service.schemas.mlrag import AnswerReply
from tests.support.serving import events, serving

SMALL, LARGE = "gemma4:e2b", "gemma4:31b"
QUESTIONS = {"ta": "டெங்கு கொசு எப்போது கடிக்கும்?", "si": "සීගිරිය පර්වතයේ උස කොපමණද?"}
ROUTES = Routes(
    RouteRule("e2b", fallbacks=("extractive",), escalate="31b"),
    tiers={"T4": RouteRule("31b", fallbacks=("extractive",))},
)


def english_from_the_small_one(body):
    if body["model"] == SMALL and QUESTIONS["ta"] in body["messages"][1]["content"]:
        return "The mosquito bites by day, early in the morning, and late in the afternoon. [1]"
    return first_sentence(body)


@pytest.fixture
def served(settings, tmp_path, indexed):
    (tmp_path / "index").symlink_to(indexed / "index")
    with FakeOllama(models=(SMALL, LARGE), reply=english_from_the_small_one) as double:
        changes = {"data_dir": tmp_path, "ollama_host": double.url, "cache_answers": 100}
        own = settings.model_copy(update=changes)
        write_routes(own.route_file, ROUTES)
        with serving(create_app(own)) as address, httpx.Client(base_url=address, timeout=30) as client:
            yield own, client, double


def ask(client, lang, **more):
    reply = client.get("/ask", params={"q": QUESTIONS[lang], "lang": lang, "variant": "auto", **more})
    assert reply.status_code == 200, reply.text
    AnswerReply.model_validate(reply.json())
    return reply.json()


def models(double):
    return [body["model"] for body in double.requests]


def test_the_answer_says_which_rule_chose_and_the_metrics_count_it(served):
    _, client, double = served
    tamil, sinhala = ask(client, "ta"), ask(client, "si")
    assert models(double) == [SMALL, LARGE, LARGE]
    assert {"routed:default", "escalated:e2b>31b:wrong_language"} <= set(tamil["warnings"])
    assert sinhala["warnings"].count("routed:T4") == 1
    assert not tamil["abstained"] and not sinhala["abstained"]
    families = text_string_to_metric_families(client.get("/metrics").text)
    found = {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}
    assert found["mlrag_routed_total", "ta", "default"] == found["mlrag_routed_total", "si", "T4"] == 1
    assert found["mlrag_escalations_total", "ta", "done"] == 1


def test_a_stream_takes_back_what_the_guard_refused(served):
    _, client, _ = served
    params = {"q": QUESTIONS["ta"], "lang": "ta", "variant": "auto", "stream": True}
    with client.stream("GET", "/ask", params=params) as reply:
        seen = list(events(reply.iter_lines()))
    assert "restart" in [name for name, _ in seen]
    assert "escalated:e2b>31b:wrong_language" in seen[-1][1]["warnings"]


def test_kept_answers_are_those_of_the_route_of_the_moment(served):
    own, client, double = served
    assert not ask(client, "si")["cached"]
    assert ask(client, "si")["cached"]
    write_routes(own.route_file, Routes(RouteRule("e2b")))
    assert not ask(client, "si")["cached"]
    assert models(double) == [LARGE, SMALL]


def test_a_spent_budget_is_kept_over_http(served):
    own, client, double = served
    write_routes(own.route_file, Routes(RouteRule("31b", fallbacks=("extractive",)), budget=Budget(calls=1)))
    replies = [ask(client, "si", explain=True) for _ in range(2)]
    assert models(double) == [LARGE]
    assert replies[1]["model"] == "extractive"
    assert "routed:budget:default" in replies[1]["warnings"]
