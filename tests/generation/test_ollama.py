"""The real client against the double over real HTTP: each way a server misbehaves is an error that helps."""

import time

import pytest

from mlrag.errors import (
    BrokenReplyError,
    GeneratorBusyError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PromptTooLongError,
)
from mlrag.generation.backends.base import Call, ChatMessage, Finish, Timeouts
from mlrag.generation.backends.ollama import OllamaChat
from mlrag.generation.base import Request
from mlrag.languages import language
from mlrag.testing import FakeOllama
from tests.conftest import generator


@pytest.fixture(scope="module")
def request_(pipeline):
    return Request(language("en"), pipeline.retriever.search("How long is the Nile?", "en"))


def ask(double, request, think=False, timeout=30.0):
    return generator(OllamaChat("gemma4:e4b", double.url), think, timeout).generate(request)


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("busy", GeneratorBusyError, "busy"),
        ("no_done", BrokenReplyError, "broke off"),
        ("cut", BrokenReplyError, "broke off"),
        ("error_midway", BrokenReplyError, "running the model"),
        ("bad_json", BrokenReplyError, "broke off"),
        ("empty", BrokenReplyError, "nothing"),
        ("length", GeneratorError, "did not finish"),
        ("cut_prompt", PromptTooLongError, "cut the prompt"),
        ("crash", BrokenReplyError, "unexpectedly stopped"),
        ("garbage", BrokenReplyError, "502"),
        ("repeat", GeneratorError, "repeats itself"),
        ("hang", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("hang_midway", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("think_forever", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
    ],
)
def test_faults_become_errors_that_help(request_, fault, error, says):
    begun = time.monotonic()
    with FakeOllama(fault=fault) as double, pytest.raises(error, match=says):
        ask(double, request_, timeout=1.0 if error is GeneratorTimeoutError else 60.0)
    assert time.monotonic() - begun < 120  # and not for ever


def test_a_missing_model_says_how_to_pull_it(request_):
    with FakeOllama(models=()) as double, pytest.raises(GeneratorUnavailableError, match="ollama pull gemma4:e4b"):
        ask(double, request_)


def test_no_server_says_how_to_start_it(request_):
    with pytest.raises(GeneratorUnavailableError, match="ollama serve"):
        generator(OllamaChat("gemma4:e4b", "http://127.0.0.1:9")).generate(request_)


def test_a_failing_backend_is_left_alone_for_a_while(request_):
    with FakeOllama(fault="crash") as double:
        broken = generator(OllamaChat("gemma4:e4b", double.url))
        for _ in range(3):
            with pytest.raises(GeneratorError):
                broken.generate(request_)
        asked = len(double.requests)
        with pytest.raises(GeneratorUnavailableError, match="left alone"):
            broken.generate(request_)
    assert len(double.requests) == asked


def test_thinking_is_always_said_and_kept_apart(request_):
    with FakeOllama() as double:
        thought = ask(double, request_, think=True)
        ask(double, request_)
    assert [r["think"] for r in double.requests] == [True, False]
    assert "…" not in thought.text
    assert thought.model.endswith("[stand-in]+think")


def test_a_schema_turns_thinking_off_and_log_probabilities_come_back():
    with FakeOllama(reply=lambda _: "Yes") as double:
        double.first_token = {"Yes": -0.1, "No": -2.5}
        call = Call((ChatMessage("user", "?"),), think=True, schema={"type": "object"}, alternatives=5)
        *_, last = OllamaChat("gemma4:e4b", double.url).stream(call, Timeouts())
    assert isinstance(last, Finish)
    assert last.first_token == {"Yes": -0.1, "No": -2.5}
    assert double.requests[0]["think"] is False
