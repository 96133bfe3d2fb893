"""A stream shows passages first, then text, then the checked answer; a client that leaves stops the model."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from anyio import CapacityLimiter

from mlrag.errors import StoppedError
from mlrag.testing import FakeOllama, first_sentence
from service.answer_task import AnswerTask
from service.app import create_app
from tests.support.guarded_service import in_process
from tests.support.serving import events, serving, wait_until

ASKED = {"q": "டெங்கு கொசு எப்போது கடிக்கும்?", "lang": "ta"}


@pytest.fixture
def double():
    with FakeOllama() as double:
        yield double


@pytest.fixture
def client(settings, double):
    app = create_app(settings.model_copy(update={"ollama_host": double.url, "timeout": 30.0}), heartbeat=1.0)
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def stream(client, body, headers=None):
    with client.stream("POST", "/ask", json=body, headers=headers or {}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        return list(events(reply.iter_lines()))


def quoted(body):
    """The stand-in's sentence as a well-behaved model says it: quote, rule, answer."""
    sentence = first_sentence(body)
    return f'[1] "{sentence.removesuffix(" [1]")}"\n---\n{sentence}'


def test_extractive_streams_passages_text_and_answer(client):
    seen = stream(client, ASKED, {"Accept": "text/event-stream"})
    assert [name for name, _ in seen] == ["passages", "text", "answer"]
    assert seen[0][1]["hits"] == seen[2][1]["hits"]
    assert seen[1][1]["text"] == seen[2][1]["text"]


def test_a_get_streams_too(client):
    with client.stream("GET", "/ask", params=ASKED | {"stream": "true"}) as reply:
        assert [name for name, _ in events(reply.iter_lines())] == ["passages", "text", "answer"]


def test_a_model_streams_its_answer_and_no_quote(client, double):
    double.reply = quoted
    seen = stream(client, ASKED | {"stream": True, "variant": "e4b"})
    names = [name for name, _ in seen if name]
    assert names[0] == "passages"
    assert names[-1] == "answer"
    assert set(names[1:-1]) == {"text"}
    assert len(names) > 4
    streamed = "".join(data["text"] for name, data in seen if name == "text")
    assert streamed.removesuffix("[1]").strip() == seen[-1][1]["text"]


def test_a_refused_reply_is_taken_back(client, double):
    double.reply = lambda body: quoted(body) if len(double.requests) > 1 else "---\nThis is another language [1]"
    seen = stream(client, ASKED | {"stream": True, "variant": "e4b"})
    names = [name for name, _ in seen if name]
    at = names.index("restart")
    assert "text" in names[:at]
    assert "text" in names[at:]
    assert "retried:wrong_language" in seen[-1][1]["warnings"]


def test_an_error_before_the_stream_is_a_status_and_after_it_an_event(client, double):
    reply = client.post("/ask", json={"q": "what", "lang": "xx", "stream": True})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_language")
    double.fault = "empty"
    seen = stream(client, ASKED | {"stream": True, "variant": "e4b"})
    assert [name for name, _ in seen if name] == ["passages", "error"]
    assert (seen[-1][1]["status"], seen[-1][1]["error"]["code"]) == (502, "broken_reply")


def test_silence_is_filled_with_comments(client, double):
    double.fault = "hang"
    with client.stream("POST", "/ask", json=ASKED | {"stream": True, "variant": "e4b"}) as reply:
        names = (name for name, _ in events(reply.iter_lines()))
        assert [next(names), next(names)] == ["passages", ""]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_stops_the_model(client, double, streamed):
    asked = threading.Event()
    double.fault = lambda _number: (asked.set(), "think_forever")[1]
    if streamed:
        with client.stream("POST", "/ask", json=ASKED | {"stream": True, "variant": "e4b"}) as reply:
            next(events(reply.iter_lines()))
            assert asked.wait(20)
            assert not double.hung_up.is_set()
    else:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/ask", json=ASKED | {"variant": "e4b"}, timeout=2)
    assert double.hung_up.wait(20)
    assert len(double.requests) == 1


def test_one_that_leaves_a_silent_model_gives_its_place_back(settings, double):
    """Two at once are allowed to the backend, and two hang there when their clients leave."""
    hanging = threading.Semaphore(0)
    double.fault = lambda number: (hanging.release(), "hang")[1] if number < 2 else ""
    double.reply = quoted
    own = settings.model_copy(update={"ollama_host": double.url, "timeout": 60.0, "concurrency": 2})
    with serving(create_app(own)) as address, httpx.Client(base_url=address, timeout=30) as client:
        for _ in range(2):
            with client.stream("POST", "/ask", json=ASKED | {"stream": True, "variant": "e4b"}) as reply:
                next(events(reply.iter_lines()))
                assert hanging.acquire(timeout=20)
        reply = client.post("/ask", json=ASKED | {"variant": "e4b"}).json()
        assert reply["text"]


def test_a_deadline_stops_the_model_and_those_that_wait_for_it(settings, double):
    double.fault = "hang"
    own = {"ollama_host": double.url, "timeout": 60.0, "concurrency": 1, "deadline": 2.0}
    app = create_app(settings.model_copy(update=own))
    with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client, ThreadPoolExecutor(2) as pool:
        late = list(pool.map(lambda _: client.post("/ask", json=ASKED | {"variant": "e4b"}), range(2)))
        assert [reply.status_code for reply in late] == [504, 504]
        wait_until(lambda: app.state.dependencies.limiter.borrowed_tokens == 0)


@in_process
async def test_a_panic_and_a_missing_thread_are_errors_and_free_their_slot(monkeypatch):
    class Panic(BaseException):
        """As a library's Rust code raises it."""

    def panics(_watch):
        raise Panic("index out of bounds")

    async def no_thread(*_args, **_options):
        raise RuntimeError("can't start new thread")

    limiter = CapacityLimiter(1)
    with pytest.raises(RuntimeError, match="index out of bounds"):
        await AnswerTask(panics, limiter).first_event(None, 60.0)
    monkeypatch.setattr("anyio.to_thread.run_sync", no_thread)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await AnswerTask(panics, limiter).first_event(None, 60.0)
    assert limiter.borrowed_tokens == 0


@in_process
async def test_a_question_cut_off_before_its_first_word_is_stopped():
    ended = threading.Event()

    def ask(watch):
        try:
            while True:
                time.sleep(0.01)
                watch("")
        finally:
            ended.set()

    task = AnswerTask(ask, CapacityLimiter(1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await task.first_event(None, 60.0)
    assert isinstance(await task.next_event(60.0), StoppedError)
    assert ended.is_set()


@in_process
async def test_a_question_stopped_while_it_waits_for_a_thread_is_never_asked():
    free, asked = threading.Event(), []
    limiter = CapacityLimiter(1)
    running = AnswerTask(lambda _watch: free.wait(60), limiter)
    waiting = AnswerTask(asked.append, limiter)
    waiting.stop()
    free.set()
    assert await running.next_event(60.0) is True
    assert isinstance(await waiting.next_event(60.0), StoppedError)
    assert asked == []


@pytest.mark.parametrize("unsafe", [False, True])
def test_nothing_is_shown_before_the_safety_filter_let_it_pass(settings, unsafe):
    """An answer that the filter refuses leaves no passage and no text on the way."""
    listed = {"Yes": -0.1, "No": -3.0}, {"Yes": -3.0, "No": -0.1}
    with FakeOllama(models=("gemma4:e4b", "shieldgemma:2b")) as double:
        double.reply = quoted
        double.first_token = lambda body: listed[0 if unsafe and "AI response" in body["prompt"] else 1]
        own = settings.model_copy(update={"ollama_host": double.url, "filter": "shieldgemma:2b"})
        with serving(create_app(own)) as address, httpx.Client(base_url=address, timeout=30) as client:
            seen = stream(client, ASKED | {"stream": True, "variant": "e4b", "explain": True})
    names = [name for name, _ in seen if name]
    if unsafe:
        assert names == ["answer"]
        assert "refused:answer:dangerous" in seen[-1][1]["warnings"]
        assert not {"hits", "explanation"} & {k for k, v in seen[-1][1].items() if v}
    else:
        assert names == ["passages", "text", "answer"]
        assert seen[1][1]["text"] == seen[2][1]["text"]


def test_a_remembered_answer_streams_alike(settings, tmp_path):
    own = settings.model_copy(update={"cache_answers": 10, "data_dir": tmp_path})
    (tmp_path / "index").symlink_to(settings.index_dir)
    with serving(create_app(own)) as address, httpx.Client(base_url=address, timeout=30) as client:
        first, again = (stream(client, ASKED | {"stream": True}) for _ in range(2))
    assert [name for name, _ in again] == [name for name, _ in first] == ["passages", "text", "answer"]
    assert (first[-1][1]["cached"], again[-1][1]["cached"]) == (False, True)
    assert again[1][1]["text"] == first[-1][1]["text"]
