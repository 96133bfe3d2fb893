"""A follow-up stands by itself before it is searched; whoever watches an answer may stop it."""

from itertools import pairwise

import pytest

from mlrag.answering.follow_up import resolve, stands_out
from mlrag.answering.pipeline import Pipeline
from mlrag.errors import GeneratorUnavailableError, StoppedError
from mlrag.generation.backends.ollama import OllamaChat
from mlrag.generation.base import FollowUp, Request
from mlrag.generation.fallback import Auto, AutoChoice, Fallback
from mlrag.generation.prompts import MARK, build_rewrite_messages
from mlrag.index.local.store import Store
from mlrag.languages import language, languages
from mlrag.testing import FakeOllama, first_sentence
from mlrag.types import Document, Evidence, Message, Warning
from tests.conftest import generator

EARLIER = (Message("user", "சிகிரியா எங்கே உள்ளது?"), Message("assistant", "இலங்கையில்."))
ASKED = FollowUp(language("ta"), "அதன் உயரம் எவ்வளவு?", EARLIER)
STANDALONE = "சிகிரியா பாறையின் உயரம் எவ்வளவு?"


@pytest.fixture
def double():
    with FakeOllama() as double:
        yield double


def model(double, **options):
    return generator(OllamaChat("gemma4:e4b", double.url), **options)


@pytest.mark.parametrize("code", list(languages()))
def test_the_prompt_holds_all_that_was_said_as_material(code):
    pack = language(code)
    before, follow_up = pack.sample_questions[:2]
    system, user = build_rewrite_messages(
        pack, follow_up, (Message("user", before), Message("assistant", "<bos>\n¦ x"))
    )
    assert system.content == pack.prompt["rewrite"]
    for line in (before, follow_up, "‹bos›", "| x"):
        assert f"{MARK} {line}" in user.content.splitlines()
    assert user.content.count(f"{pack.prompt['question']}:") == 2


def test_a_model_rewrites_and_what_it_says_is_checked(double):
    double.reply = lambda _body: f"\n¦ {STANDALONE}\nஇதுதான் கேள்வி."
    asked = resolve(model(double), ASKED, 2000)
    assert (asked.question, asked.queries, asked.rewritten) == (STANDALONE, (STANDALONE,), True)
    too_long = resolve(model(double), ASKED, 10)
    assert too_long.queries == (ASKED.question, f"{EARLIER[0].text} {ASKED.question}")
    assert too_long.warnings == (Warning("follow_up", "not_rewritten"),)


def test_only_the_latest_turns_are_sent_where_not_all_fit(double):
    many = tuple(Message("user", f"கேள்வி {n}: " + "மழை பெய்கிறது. " * 400) for n in range(40))
    model(double).rewrite(FollowUp(language("ta"), "ஏன்?", many))
    sent = double.requests[0]["messages"][1]["content"]
    assert "கேள்வி 39:" in sent
    assert "கேள்வி 0:" not in sent


def test_whoever_cannot_rewrite_joins(double, pipeline):
    joined = (ASKED.question, f"{EARLIER[0].text} {ASKED.question}")
    extractive = pipeline.generator
    assert resolve(extractive, ASKED, 2000).queries == joined
    assert resolve(Auto(lambda: AutoChoice(extractive, "")), ASKED, 2000).queries == joined
    double.fault = "garbage"
    assert resolve(Fallback(model(double), extractive), ASKED, 2000).queries == joined
    with pytest.raises(GeneratorUnavailableError):
        resolve(generator(OllamaChat("gemma4:e4b", "http://127.0.0.1:9")), ASKED, 2000)


def test_auto_and_fallback_hand_a_rewriting_on(double, pipeline):
    double.reply = lambda _body: STANDALONE
    for whole in (Auto(lambda: AutoChoice(model(double), "")), Fallback(model(double), pipeline.generator)):
        assert resolve(whole, ASKED, 2000).question == STANDALONE


def test_without_a_question_before_there_is_nothing_to_join(pipeline):
    alone = FollowUp(language("ta"), "ஏன்?", (Message("assistant", "வணக்கம்."),))
    assert resolve(pipeline.generator, alone, 2000).queries == ("ஏன்?",)


def test_evidence_without_passages_never_stands_out(pipeline):
    found = pipeline.retriever.search("How long is the Nile?", "en")
    nothing = pipeline.retriever.search("How long is the Nile?", "en", only=frozenset())
    assert nothing.hits == ()
    assert stands_out([nothing, found]) is found


def test_a_watch_sees_evidence_and_then_the_growing_answer(double, pipeline):
    double.reply = lambda body: f"---\n{first_sentence(body)}"
    seen = []
    whole = Pipeline(pipeline.retriever, model(double), cross_language=False)
    answer = whole.ask("டெங்கு கொசு எப்போது கடிக்கும்?", "ta", watch=seen.append)
    assert isinstance(seen[0], Evidence)
    texts = seen[1:]
    assert all(b.startswith(a) for a, b in pairwise(texts))
    assert texts[-1].removesuffix("[1]").strip() == answer.text


@pytest.mark.parametrize("fault", ["hang", "think_forever", "hang_midway"])
def test_a_watch_stops_a_model_whatever_it_does(double, pipeline, fault):
    """Without a stop these would end in a timeout, which is another error."""
    double.fault = fault
    calls = []

    def watch(_text):
        calls.append(1)
        if len(calls) > 1:
            raise StoppedError

    evidence = pipeline.retriever.search("How long is the Nile?", "en")
    with pytest.raises(StoppedError):
        model(double, timeout=20.0).generate(Request(language("en"), evidence, watch=watch))
    assert len(double.requests) == 1


def test_a_stop_is_no_fault_of_the_backend(double, pipeline):
    double.reply = lambda body: f"---\n{first_sentence(body)}"
    evidence = pipeline.retriever.search("How long is the Nile?", "en")
    behind_one_gate = model(double)

    def watch(_text):
        raise StoppedError

    for _ in range(8):  # five failures in a row would open the breaker
        with pytest.raises(StoppedError):
            behind_one_gate.generate(Request(language("en"), evidence, watch=watch))
    assert behind_one_gate.generate(Request(language("en"), evidence)).text


def test_filters_read_front_matter_of_any_kind(tmp_path):
    store = Store(tmp_path / "store.sqlite", "ta")
    meta = {"தலைப்பு": "உடல்நலம்", "n": 7, "ok": True, "tags": ["p", 3], "inner": {"a": 1}, "none": None}
    others = [(Document(f"d{n}", "ta", "x"), []) for n in range(3)]
    store.put([(Document("a", "ta", "x", "மழை", meta=meta), []), *others], "e", "e")
    one = {"தலைப்பு": ["உடல்நலம்"], "n": ["7"], "ok": ["true"], "tags": ["3"], "title": ["மழை"], "id": ["a", "b"]}
    for field, values in one.items():
        assert store.find_matching({field: values}) == {"a"}, field
    assert store.find_matching(one) == {"a"}
    for field, value in {"inner": "1", "none": "null", "n": "7.5", "தலைப்பு": "உடல்", "nobody": "x"}.items():
        assert store.find_matching({field: [value]}) == frozenset(), field
    assert store.find_matching({}) == {"a", "d0", "d1", "d2"}


def test_more_documents_than_a_statement_has_variables_may_be_named(tmp_path):
    store = Store(tmp_path / "store.sqlite", "ta")
    assert store.rows_of([f"d{n}" for n in range(40_000)]) == set()
