"""Questions over several hosts of one backend."""

import threading
from types import SimpleNamespace

import pytest

from eval.runner.hosts import Hosts, answers, by_host
from mlrag.errors import BrokenReplyError, GeneratorUnavailableError, SettingsError
from mlrag.settings import Settings
from mlrag.testing import FakeOllama, FakeOpenAI


class Host:
    """A stand-in for a pipeline over one server: it answers with its name, waits while held, or fails."""

    def __init__(self, name, error=None):
        self.name, self.error = name, error
        self.asked, self.go = [], threading.Event()
        self.go.set()

    def ask(self, question, lang=None, *, hidden=frozenset(), only=None):
        self.asked.append(question)
        if self.error:
            raise self.error
        assert self.go.wait(10)
        return SimpleNamespace(text=self.name)


def over(*hosts, dead=(), rest=0.0):
    return Hosts({h.name: h for h in hosts}, lambda url: url not in dead, rest)


def test_each_question_goes_to_the_host_with_the_fewest():
    slow, quick = Host("slow"), Host("quick")
    slow.go.clear()
    hosts = over(slow, quick)
    threads = []
    while not slow.asked:  # among equals the choice is free
        threads.append(threading.Thread(target=hosts.ask, args=("நைல்?",)))
        threads[-1].start()
        threads[-1].join(0.05)
    assert [hosts.ask("q").text for _ in range(5)] == ["quick"] * 5
    assert len(slow.asked) == 1
    slow.go.set()
    for thread in threads:
        thread.join()


def test_a_dead_host_is_left_out_until_it_answers_again():
    down, up, dead = Host("down", GeneratorUnavailableError("gone")), Host("up"), {"down"}
    hosts = over(down, up, dead=dead)
    assert [hosts.ask(f"q{n}").text for n in range(20)] == ["up"] * 20
    assert len(down.asked) <= 1
    down.error = None
    dead.clear()
    assert {hosts.ask(f"q{n}").text for n in range(40)} == {"down", "up"}  # among equals the choice is free


def test_what_the_hosts_health_does_not_explain_is_the_questions_own_failure():
    broken, other = (
        Host("broken", BrokenReplyError("repeats itself")),
        Host("other", BrokenReplyError("repeats itself")),
    )
    with pytest.raises(BrokenReplyError):
        over(broken, other).ask("q")
    assert len(broken.asked) + len(other.asked) == 1


def test_a_reply_that_broke_off_because_the_host_died_is_asked_elsewhere():
    died, other = Host("died", BrokenReplyError("broke off")), Host("other")
    hosts = over(died, other, dead={"died"}, rest=100)
    assert {hosts.ask(f"q{n}").text for n in range(8)} == {"other"}


def test_without_a_living_host_the_failure_is_the_last_ones_and_then_says_so():
    hosts = over(Host("a", GeneratorUnavailableError("a is gone")), Host("b", GeneratorUnavailableError("b is gone")))
    with pytest.raises(GeneratorUnavailableError, match="is gone"):
        hosts.ask("q")
    resting = over(Host("a", GeneratorUnavailableError("a is gone")), rest=100)
    with pytest.raises(GeneratorUnavailableError, match="a is gone"):
        resting.ask("q")
    with pytest.raises(GeneratorUnavailableError, match="none of 1 hosts answers"):
        resting.ask("q")


@pytest.mark.parametrize(("variant", "double"), [("e4b", FakeOllama), ("openai:gemma", FakeOpenAI)])
def test_a_server_is_alive_where_its_backend_replies(variant, double):
    with double() as server:
        url = server.url + ("/v1" if double is FakeOpenAI else "")
        (probe,) = by_host(Settings(), variant, [url])
        assert answers(probe)
    assert not answers(probe)


def test_hosts_are_of_backends_that_have_some():
    assert by_host(Settings(), "extractive", ["a:1"]) == {}
    found = by_host(Settings(), "e4b+think", ["a:11434", "http://b:11434/"])
    assert {s.ollama_host for s in found.values()} == {"http://a:11434", "http://b:11434"}
    with pytest.raises(SettingsError, match="fallback"):
        by_host(Settings(fallback="extractive"), "e4b", ["a:11434"])
