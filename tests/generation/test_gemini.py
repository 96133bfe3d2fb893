"""Google's real client against the double over real HTTP: each way the API misbehaves is an error that helps."""

import logging
import sys
import time
import traceback

import httpx
import pytest

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
from mlrag.factory import make_generator, make_pipeline
from mlrag.generation.backends.base import Call, ChatMessage, CompletionChunk, Finish, Timeouts
from mlrag.generation.backends.gemini import GeminiChat
from mlrag.generation.base import Request
from mlrag.languages import language
from mlrag.settings import Settings
from mlrag.testing import FakeGemini
from mlrag.testing.server import prompt_of
from tests.conftest import generator

MODEL, KEY = "gemma-4-31b-it", "AIza-the-key-of-this-test"


@pytest.fixture(scope="module")
def request_(pipeline):
    return Request(language("en"), pipeline.retriever.search("How long is the Nile?", "en"))


def chat(double, model=MODEL, key=KEY):
    return GeminiChat(model, key, url=double.url)


def ask(double, request, think=False, timeout=30.0):
    return generator(chat(double), think, timeout).generate(request)


def whole(double, **options):
    return list(
        chat(double).stream(Call((ChatMessage("system", "Be brief."), ChatMessage("user", "?")), **options), Timeouts())
    )


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("busy", GeneratorBusyError, "overloaded"),
        ("crash", BrokenReplyError, "internal error"),
        ("late", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("garbage", BrokenReplyError, "502"),
        ("cut", BrokenReplyError, "broke off"),
        ("error_midway", BrokenReplyError, "internal error"),
        ("bad_json", BrokenReplyError, "broke off"),
        ("no_finish", BrokenReplyError, "without a finish reason"),
        ("empty", BrokenReplyError, "nothing"),
        ("length", GeneratorError, "did not finish"),
        ("repeat", GeneratorError, "repeats itself"),
        ("blocked", GeneratorError, "blocked the prompt: PROHIBITED_CONTENT"),
        ("safety", GeneratorError, "SAFETY"),
        ("recitation", GeneratorError, "RECITATION"),
        ("other", GeneratorError, "OTHER"),
        ("unauthorized", GeneratorUnavailableError, "refused the key.*GEMINI_API_KEY"),
        ("rate_limited_bare", GeneratorBusyError, "limits its callers"),
        ("daily_quota", QuotaError, "midnight Pacific"),
        ("zero_limit", QuotaError, "not on your tier"),
        ("hang", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("hang_midway", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
        ("think_forever", GeneratorTimeoutError, "MLRAG_TIMEOUT"),
    ],
)
def test_faults_become_errors_that_help(request_, fault, error, says):
    begun = time.monotonic()
    with FakeGemini(fault=fault) as double, pytest.raises(error, match=says):
        ask(double, request_, timeout=1.0 if error is GeneratorTimeoutError else 60.0)
    assert time.monotonic() - begun < 120  # and not for ever


@pytest.mark.parametrize("fault", ["daily_quota", "zero_limit", "blocked", "safety", "unauthorized"])
def test_what_stays_is_asked_once(request_, fault):
    with FakeGemini(fault=fault) as double, pytest.raises(GeneratorError):
        ask(double, request_)
    assert len(double.requests) == 1


def test_googles_client_does_not_retry_by_itself():
    with FakeGemini(fault="busy") as double, pytest.raises(GeneratorBusyError):
        whole(double)
    assert len(double.requests) == 1


def test_the_delay_that_the_server_asks_for_comes_along():
    with FakeGemini(fault="rate_limited") as double, pytest.raises(GeneratorBusyError) as caught:
        whole(double)
    assert caught.value.retry_after == 0.2
    with FakeGemini(fault="rate_limited_bare") as double, pytest.raises(GeneratorBusyError) as caught:
        whole(double)
    assert caught.value.retry_after is None


def test_thoughts_are_asked_for_or_kept_small_and_never_text(request_):
    with FakeGemini() as double:
        thought, plain = ask(double, request_, think=True), ask(double, request_)
        *pieces, last = whole(double, think=True)
    told = [r["generationConfig"]["thinkingConfig"] for r in double.requests]
    assert told[0] == {"include_thoughts": True, "thinking_level": "HIGH"}
    assert told[1] == {"include_thoughts": False, "thinking_level": "MINIMAL"}
    assert "…" not in thought.text
    assert thought.model == f"gemini:{MODEL} [stand-in]+think"
    assert thought.usage.thinking_tokens == 7
    assert plain.usage.thinking_tokens is None
    assert pieces[0] == CompletionChunk(thinking="…")
    assert isinstance(last, Finish)


def test_the_request_says_all_that_makes_a_reply_repeatable():
    with FakeGemini(reply=lambda _: "Yes") as double:
        *pieces, last = whole(double, room=9, stop=("\n",))
    sent = double.requests[0]
    assert sent["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert [c["role"] for c in sent["contents"]] == ["user"]
    config = sent["generationConfig"]
    assert (config["temperature"], config["seed"], config["maxOutputTokens"]) == (0, 0, 9)
    assert config["stopSequences"] == ["\n"]
    assert "".join(p.text for p in pieces) == "Yes"
    assert last.reason == "stop"
    assert (last.prompt_tokens, last.output_tokens) == (3, 1)  # "Be brief.?" and "Yes": 10 and 3 characters, by three


def test_a_schema_turns_thinking_off_and_must_be_obeyed():
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    with FakeGemini(reply=lambda _: '{"ok": true}') as double:
        whole(double, think=True, schema=schema)
    config = double.requests[0]["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == schema
    assert config["thinkingConfig"]["thinking_level"] == "MINIMAL"
    with FakeGemini(reply=lambda _: "ok: yes") as double, pytest.raises(BrokenReplyError, match="not JSON"):
        whole(double, schema=schema)


def test_log_probabilities_come_back_or_the_error_says_why_not():
    with FakeGemini(reply=lambda _: "Yes") as double:
        double.first_token = {"Yes": -0.1, "No": -2.5, "Maybe": -4.0}
        *_, last = whole(double, alternatives=2)
    assert last.first_token == {"Yes": -0.1, "No": -2.5}
    with FakeGemini() as double, pytest.raises(GeneratorError, match="no log-probabilities for gemma-4-31b-it"):
        whole(double, alternatives=2)


def test_a_missing_model_names_those_that_there_are(request_):
    with FakeGemini(models=()) as double, pytest.raises(GeneratorUnavailableError, match="gemma-4-26b-a4b-it"):
        ask(double, request_)


def test_a_prompt_beyond_the_context_is_refused_not_cut():
    with FakeGemini(context=2) as double, pytest.raises(PromptTooLongError, match="token count"):
        whole(double)


def test_the_window_is_what_the_api_tells_and_no_more_than_is_useful():
    with FakeGemini(context=8192) as double:
        assert chat(double).window == 8192
    with FakeGemini() as double:
        assert chat(double).window == 32768
    assert GeminiChat(MODEL, KEY, url="http://127.0.0.1:9").window == 32768


def test_no_server_says_where_it_was_looked_for(request_):
    with pytest.raises(GeneratorUnavailableError, match=r"127\.0\.0\.1:9.*gemini_url"):
        generator(GeminiChat(MODEL, KEY, url="http://127.0.0.1:9")).generate(request_)


def test_googles_own_address_is_the_default_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://elsewhere.example")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    model = GeminiChat(MODEL, KEY)
    assert model.host == "generativelanguage.googleapis.com"
    options = model._client._api_client._http_options
    assert (options.base_url, options.api_version) == ("https://generativelanguage.googleapis.com", "v1beta")


def test_connecting_may_take_less_time_than_answering():
    seen = []
    with FakeGemini() as double:
        model = GeminiChat(MODEL, KEY, Timeouts(connect=2.0), double.url)
        model._client._api_client._httpx_client.event_hooks["request"].append(
            lambda request: seen.append(request.extensions["timeout"])
        )
        list(model.stream(Call((ChatMessage("user", "?"),)), Timeouts(total=30.0)))
    assert (seen[0]["connect"], seen[0]["read"]) == (2.0, 30.0)


def test_another_key_is_refused():
    with FakeGemini(key="right") as double, pytest.raises(GeneratorUnavailableError, match="refused the key"):
        whole(double)
    assert not double.requests


def test_the_key_is_in_no_error_log_or_repr(caplog):
    caplog.set_level(logging.DEBUG)
    with FakeGemini(fault="unauthorized") as double, pytest.raises(GeneratorUnavailableError) as caught:
        whole(double)
    assert "suspended" in str(caught.value)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(chat(double))
    assert KEY not in told


@pytest.mark.parametrize("odd", ["\x00", "\n", "යතුර"])
def test_a_key_that_no_header_can_carry_is_refused_in_secret(odd):
    with pytest.raises(SettingsError, match="GEMINI_API_KEY") as caught:
        GeminiChat(MODEL, KEY + odd + KEY)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("key", ["", " \n"])
def test_no_key_says_which_variable_to_set(key):
    with pytest.raises(SettingsError, match="GEMINI_API_KEY"):
        GeminiChat(MODEL, key)


def test_a_missing_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "google", None)
    with pytest.raises(GeneratorUnavailableError, match=r"pip install -e '.\[gemini\]'"):
        GeminiChat(MODEL, KEY)


def test_a_sinhala_question_is_answered_with_a_citation(pipeline, indexed):
    with FakeGemini(key=KEY) as double:
        settings = Settings(data_dir=indexed, variant="gemini:31b", gemini_url=double.url, gemini_key=KEY)
        answer = make_pipeline(settings, pipeline.retriever).ask("ඩෙංගු මදුරුවා දෂ්ට කරන්නේ කවදාද?", "si")
    assert answer.model == f"gemini:{MODEL} [stand-in]"
    assert not answer.abstained
    assert "මදුරුවා" in prompt_of(double.requests[0])
    cited = answer.citations[0]
    source = pipeline.retriever.index("si").store.document(cited.doc_id).text
    assert source[cited.start : cited.end] == cited.quote


def test_private_settings_keep_questions_from_google(embedder):
    settings = Settings(variant="gemini:31b", gemini_key=KEY, private=True)
    with pytest.raises(PrivacyError, match=r"generativelanguage\.googleapis\.com"):
        make_generator(settings, embedder)


@pytest.mark.parametrize("path", ["/v1beta/models", "/v1beta/models/gemma-4-31b-it"])
def test_the_double_lists_its_models_and_says_that_it_is_one(path):
    with FakeGemini() as double:
        told = httpx.get(double.url + path).json()
    assert (told["models"][0] if "models" in told else told)["displayName"] == "stand-in"


def test_the_double_answers_whole_too_and_refuses_what_gemma_refuses():
    body = {"contents": [{"role": "user", "parts": [{"text": "?"}]}]}
    with FakeGemini(reply=lambda _: "Yes") as double:
        where = f"{double.url}/v1beta/models/{MODEL}:generateContent"
        parts = httpx.post(where, json=body).json()["candidates"][0]["content"]["parts"]
        assert [bool(p.get("thought")) for p in parts] == [True, False]  # it thinks unless told not to
        for thinking in ({"thinkingBudget": 0}, {"thinkingLevel": "LOW"}):
            config = {"generationConfig": {"thinkingConfig": thinking}}
            assert httpx.post(where, json=body | config).status_code == 400
