"""A route names who answers each question, asks a stronger one once when the guard refuses, and keeps its budget."""

import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest
from typer.testing import CliRunner

from eval.results.evaluate import score
from eval.runner.answer import answer
from eval.runner.prepare import load_data, prepare
from mlrag.cli import route as route_commands
from mlrag.cli.main import app
from mlrag.errors import QuotaError, SettingsError, StorageError
from mlrag.factory import make_pipeline
from mlrag.languages import language
from mlrag.models.hardware import Memory
from mlrag.models.route_file import read_routes, route_version, routes_from, write_routes
from mlrag.models.routing import Budget, RouteRule, Routes, decide
from mlrag.state.budget import Cost, Ledger, SqliteBudget
from mlrag.testing import FakeOllama, first_sentence
from mlrag.types import Route, Usage

SMALL, LARGE = "gemma4:e2b", "gemma4:31b"
QUESTIONS = {
    "ta": "டெங்கு கொசு எப்போது கடிக்கும்?",
    "si": "සීගිරිය පර්වතයේ උස කොපමණද?",
    "zh": "狮子岩有多高？",
    "ar": "كم يبلغ طول نهر النيل؟",
}
ENGLISH = "The mosquito bites by day, early in the morning, and late in the afternoon. [1]"
RULE = RouteRule("e2b", "mix", "measured", ("extractive",), escalate="31b", lighter="extractive")
ROUTES = Routes(RULE, tiers={"T4": replace(RULE, variant="31b", escalate=None, lighter="e2b")}, long=50, busy=2)


def rich(_name):
    return True


def idle(_name):
    return 0


@pytest.mark.parametrize(
    ("lang", "tokens", "load", "variant", "rule"),
    [
        ("en", 10, 0, "e2b", "default"),
        ("ar", 49, 1, "e2b", "default"),
        ("zh", 50, 0, "31b", "long:default"),
        ("zh", 50, 2, "extractive", "busy:default"),
        ("si", 10, 0, "31b", "T4"),
        ("si", 50, 1, "31b", "T4"),
        ("si", 10, 2, "e2b", "busy:T4"),
    ],
)
def test_tier_length_and_load_choose(lang, tokens, load, variant, rule):
    found = decide(ROUTES, lang, tokens, lambda _name: load, rich)
    assert (found.variant, found.rule) == (variant, rule)


def test_a_language_goes_before_its_tier():
    routes = replace(ROUTES, languages={"si": RouteRule("12b")})
    assert decide(routes, "si", 1, idle, rich) == Route("12b", "si")
    assert decide(replace(routes, languages={}), "si", 1, idle, rich).rule == "T4"


def test_what_is_left_of_the_budget_chooses_last():
    assert decide(ROUTES, "si", 1, idle, lambda n: n != "31b") == Route("e2b", "budget:T4")
    assert decide(ROUTES, "si", 1, idle, lambda _n: False) == Route("extractive", "budget:T4")
    assert decide(ROUTES, "en", 99, idle, lambda n: n != "31b") == Route("e2b", "default", "31b")


# The ledger


def ledger(path, now=0.0, **limits):
    return Ledger(lambda: SqliteBudget(path / "spent.sqlite"), Budget(**limits), lambda: now)


@pytest.mark.parametrize(
    ("limits", "cost"),
    [
        ({"calls": 2}, Cost(1)),
        ({"tokens": 2000}, Cost(1, 1000)),
        ({"seconds": 20}, Cost(1, 0, 10.0)),
        ({"dollars": 0.5}, Cost(1, 0, 0.0, 0.25)),
        ({"dollars_per_1000": 0.5}, Cost(1, 0, 0.0, 0.25)),
    ],
)
def test_a_limit_is_not_passed_and_the_next_window_is_new(tmp_path, limits, cost):
    first = ledger(tmp_path, **limits)
    first.reserve("a", cost)
    first.reserve("b", cost)
    assert not first.affords(cost)
    with pytest.raises(QuotaError, match="--spend"):
        first.reserve("a", cost)
    assert not ledger(tmp_path, 86399.0, **limits).affords(cost)  # another process, the same day
    assert ledger(tmp_path, 86400.0, **limits).affords(cost)


def test_questions_at_once_share_what_is_left(tmp_path):
    books = [ledger(tmp_path, calls=10) for _ in range(2)]

    def pay(number):
        try:
            books[number % 2].reserve("a", Cost(1))
            return 1
        except QuotaError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(pay, range(40))) == 10


def test_what_cannot_be_counted_is_a_fault_only_where_there_is_a_limit(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="route --off"):
        ledger(tmp_path / "file", calls=1)
    free = ledger(tmp_path / "file", p95_seconds=1.0)
    free.settle(free.reserve("a", Cost(1)), Cost(1))
    assert free.affords(Cost(10**6))


def test_what_a_call_did_not_need_is_given_back(tmp_path):
    book = ledger(tmp_path, tokens=1000)
    book.settle(book.reserve("a", Cost(1, 900, 60.0, 0.9)), Cost(1, 100, 2.0, 0.1))
    assert book.spent() == {"a": Cost(1, 100, 2.0, pytest.approx(0.1))}
    assert book.affords(Cost(1, 900))


def test_a_thousand_questions_more_may_cost_as_much_again(tmp_path):
    book = ledger(tmp_path, dollars_per_1000=1.0)
    book.reserve("a", Cost(1, 0, 0.0, 1.0))
    for _ in range(1000):
        book.count_question()
    assert not book.affords(Cost(1, 0, 0.0, 0.001))
    book.count_question()
    assert book.affords(Cost(1, 0, 0.0, 1.0))


def test_usage_of_several_calls_is_their_sum():
    first, second = Usage(10, None, None, 0.5, 1.0), Usage(20, 3, None, None, 2.0)
    assert first.and_then(second) == Usage(30, 3, None, 0.5, 3.0)


# The pipeline


@pytest.fixture
def own(settings, tmp_path, indexed):
    (tmp_path / "index").symlink_to(indexed / "index")
    return settings.model_copy(update={"data_dir": tmp_path, "variant": "auto"})


def by_model(small, large=first_sentence):
    return lambda body: (small if body["model"] == SMALL else large)(body)


def ask(own, pipeline, double, routes, lang, **options):
    write_routes(own.route_file, routes)
    here = own.model_copy(update={"ollama_host": double.url, **options})
    return make_pipeline(here, pipeline.retriever, cross_language=False).ask(QUESTIONS[lang], lang)


def models(double):
    return [body["model"] for body in double.requests]


def both(small, large=first_sentence):
    return FakeOllama(models=(SMALL, LARGE), reply=by_model(small, large))


CASCADE = Routes(RULE)


@pytest.mark.parametrize("lang", ["ta", "si", "zh", "ar"])
def test_a_refused_answer_is_asked_of_the_stronger_one_once(own, pipeline, lang):
    with both(lambda _: ENGLISH) as double:
        answer = ask(own, pipeline, double, CASCADE, lang)
    assert models(double) == [SMALL, LARGE]
    assert language(lang).prompt["firmer"] in double.requests[1]["messages"][1]["content"]
    assert not answer.abstained
    assert answer.model.startswith(f"ollama:{LARGE}")
    assert {"routed:default", "retried:wrong_language", "escalated:e2b>31b:wrong_language"} <= set(
        map(str, answer.warnings)
    )


def test_an_invented_number_escalates_and_a_refused_stronger_answer_is_the_end(own, pipeline):
    def invents(body):
        return first_sentence(body).replace("[1]", "7777 [1]")

    with both(invents, invents) as double:
        answer = ask(own, pipeline, double, CASCADE, "ta")
    assert models(double) == [SMALL, LARGE]
    assert answer.abstained
    assert "escalated:e2b>31b:numbers_without_source" in map(str, answer.warnings)
    assert any(str(w).startswith("abstained:numbers_without_source") for w in answer.warnings)


def test_a_question_escalates_once_though_other_languages_are_looked_into(own, pipeline):
    write_routes(own.route_file, CASCADE)
    with both(lambda _: ENGLISH, lambda _: ENGLISH) as double:
        here = own.model_copy(update={"ollama_host": double.url})
        make_pipeline(here, pipeline.retriever).ask(QUESTIONS["si"], "si")
    assert models(double).count(LARGE) == 1


def test_a_good_answer_asks_nobody_else(own, pipeline):
    with both(first_sentence) as double:
        answer = ask(own, pipeline, double, CASCADE, "si")
    assert models(double) == [SMALL]
    assert "routed:default" in map(str, answer.warnings)
    assert not any(str(w).startswith(("auto:", "escalated:")) for w in answer.warnings)


def test_both_calls_count(own, pipeline):
    with both(lambda body: first_sentence(body).replace("[1]", "7777 [1]")) as double:
        answer = ask(own, pipeline, double, CASCADE, "ta")
    book = SqliteBudget(own.spent_file)
    spent = book.by_variant(Ledger(lambda: book, Budget()).window)
    assert (spent["e2b"].calls, spent["31b"].calls) == (1, 1)
    assert answer.usage.prompt_tokens + answer.usage.output_tokens == sum(c.tokens for c in spent.values())


@pytest.mark.parametrize(
    ("budget", "expected", "reason", "calls"),
    [
        (Budget(p95_seconds=5.0), {"31b": 10.0}, "time", 2),
        (Budget(calls=1), {}, "budget", 1),
    ],
)
def test_the_budget_forbids_to_escalate(own, pipeline, budget, expected, reason, calls):
    with both(lambda _: ENGLISH) as double:
        answer = ask(own, pipeline, double, replace(CASCADE, budget=budget, expected=expected), "ta")
    assert models(double) == [SMALL] * calls
    assert f"not_escalated:{reason}" in map(str, answer.warnings)
    assert answer.abstained == (reason == "time")  # where no call is left at all, extractive answers


def test_a_spent_budget_leaves_extractive(own, pipeline):
    with both(first_sentence) as double:
        answers = [ask(own, pipeline, double, replace(CASCADE, budget=Budget(calls=2)), "ta") for _ in range(3)]
    assert len(models(double)) == 2
    assert answers[2].model == "extractive"
    assert "routed:budget:default" in map(str, answers[2].warnings)


def test_a_stronger_one_that_fails_costs_the_answer_and_no_more(own, pipeline):
    with FakeOllama(models=(SMALL,), reply=lambda _: ENGLISH) as double:
        answer = ask(own, pipeline, double, CASCADE, "ta")
    assert answer.abstained
    assert "escalation_failed:31b:no_model" in map(str, answer.warnings)


def test_who_fails_is_followed_by_the_fallback(own, pipeline):
    with FakeOllama(models=(LARGE,)) as double:
        answer = ask(own, pipeline, double, CASCADE, "ta")
    assert answer.model == "extractive"
    assert {"routed:default", "fallback:extractive:no_model"} <= set(map(str, answer.warnings))


def test_a_busy_backend_gets_the_lighter_variant(own, pipeline):
    routes = replace(ROUTES, busy=1, tiers={"T4": replace(RULE, variant="31b", escalate=None, lighter="e2b")})

    def meanwhile(body):
        if body["model"] == LARGE and len(double.requests) == 1:
            second.append(ask(own, pipeline, double, routes, "si"))
        return first_sentence(body)

    second = []
    with FakeOllama(models=(SMALL, LARGE), reply=meanwhile) as double:
        first = ask(own, pipeline, double, routes, "si")
    assert models(double) == [LARGE, SMALL]
    assert "routed:T4" in map(str, first.warnings)
    assert "routed:busy:T4" in map(str, second[0].warnings)


# The command


def advice(**changes):
    step = {
        "variant": "e2b",
        "thinking": False,
        "evidence": "measured",
        "from": "mix",
        "fallbacks": ["extractive"],
        "escalate": "31b",
        "lighter": "extractive",
    }
    route = {
        "default": step,
        "tiers": {"T4": step | {"from": "T4"}},
        "languages": {"si": step | {"from": "si"}},
        "budget": {"p95_seconds": 5.0, "dollars_per_1000": None},
    }
    rows = [{"variant": "e2b", "place": "here", "dollars": None}, {"variant": "31b", "place": "here", "dollars": None}]
    costs = {"basis": "seconds", "values": {"e2b": 1.0, "31b": 4.0, "12b": 2.0}}
    return {"schema": "mlrag.advice/1", "stand_ins": [], "route": route, "feasibility": rows, "costs": costs} | changes


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setattr(route_commands, "measure_memory", lambda: Memory(64.0, 60.0))

    def called(*args, told=None, **env):
        path = tmp_path / "advice.json"
        path.write_text(json.dumps(advice() if told is None else told), encoding="utf-8")
        given = ["--from", str(path)] if "--from" in args else []
        environment = {"MLRAG_DATA_DIR": str(tmp_path), "COLUMNS": "250", **env}
        return CliRunner().invoke(app, ["route", *given, *(a for a in args if a != "--from")], env=environment)

    called.file = tmp_path / "route.json"
    return called


def _write_often(path, variant):
    for _ in range(300):
        write_routes(path, Routes(RouteRule(variant)))


def test_processes_that_write_the_route_at_once_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "route.json"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for written in [pool.submit(_write_often, path, name) for name in ("e2b", "31b")]:
            written.result()
    assert read_routes(path).default.variant in ("e2b", "31b")
    assert [file.name for file in tmp_path.iterdir()] == ["route.json"]


def test_a_route_is_installed_shown_and_removed(command):
    assert "no route" in command("--show").output
    with FakeOllama(models=(SMALL, LARGE)) as double:
        done = command("--from", "--spend", "calls=100,dollars=2", "--per", "hour", MLRAG_OLLAMA_HOST=double.url)
    assert done.exit_code == 0, done.output
    routes = read_routes(command.file)
    assert routes.find_rule("T4") == RouteRule("e2b", "T4", "measured", ("extractive",), "31b", "extractive")
    assert routes.budget == Budget(p95_seconds=5.0, window="hour", calls=100, dollars=2)
    assert routes.expected == {"e2b": 1.0, "31b": 4.0}
    assert (routes.long, routes.busy) == (200, 3)
    shown = command("--show").output
    assert all(word in shown for word in ("T4", "si", "31b", "at most 100 calls a hour", "200 tokens"))
    assert command("--off").exit_code == 0
    assert not command.file.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "other/1"}, "eval.advise"),
        ({"stand_ins": ["e4b"]}, "measure real ones"),
        ({"route": {"default": {}}}, "no usable route"),
    ],
)
def test_what_is_no_advice_is_not_installed(command, changes, said):
    done = command("--from", told=advice(**changes))
    assert done.exit_code == 1
    assert said in done.output
    assert not command.file.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("e 2b", "known: "),
        ("gemini:e2b", "serves 26b and 31b only"),
        ("31b", "ollama pull gemma4:31b"),
        ("llamacpp:/nowhere/x.gguf", "put it there"),
        ("openai:e4b", "MLRAG_OPENAI_URL"),
    ],
)
def test_whoever_cannot_answer_is_named_with_the_fix(command, name, said):
    told = advice()
    told["route"]["tiers"]["T4"]["escalate"] = name
    told["route"]["default"] |= {"escalate": None}
    told["route"]["languages"] = {}
    with FakeOllama(models=(SMALL,)) as double:
        done = command("--from", told=told, MLRAG_OLLAMA_HOST=double.url)
    assert done.exit_code == 1
    assert name in done.output
    assert said in done.output
    assert not command.file.exists()


def test_what_does_not_fit_is_named_with_the_fix(command, monkeypatch):
    monkeypatch.setattr(route_commands, "measure_memory", lambda: Memory(16.0, 12.0))
    with FakeOllama(models=(SMALL, LARGE)) as double:
        done = command("--from", MLRAG_OLLAMA_HOST=double.url)
    assert done.exit_code == 1
    assert "31b: it needs" in done.output
    assert "eval.advise --ram 16" in done.output


def test_a_budget_in_money_wants_prices(command):
    told = advice(feasibility=[{"variant": "e2b", "place": "here"}, {"variant": "31b", "place": "gemini"}])
    with FakeOllama(models=(SMALL, LARGE)) as double:
        done = command("--from", "--spend", "dollars=1", told=told, MLRAG_OLLAMA_HOST=double.url)
    assert done.exit_code == 1
    assert "31b: its price is unknown" in done.output


def test_a_limit_that_is_none_is_refused(command):
    for wrong in ("dollars", "euros=2", "calls=x"):
        assert command("--from", "--spend", wrong).exit_code == 1
    assert command().exit_code == 2


def test_prices_come_from_the_advice():
    rows = [{"variant": "31b+think", "place": "openrouter", "dollars": [0.14, 0.4]}]
    assert routes_from(advice(feasibility=rows), "a", None, None, Budget()).prices == {"31b": (0.14, 0.4)}


def test_a_damaged_route_says_what_to_do(tmp_path):
    path = tmp_path / "route.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match="route --off"):
        read_routes(path)


def test_the_bench_asks_small_large_and_auto_in_one_run(own):
    write_routes(own.route_file, CASCADE)
    with both(lambda _: ENGLISH) as double:
        settings = own.model_copy(update={"ollama_host": double.url})
        run = prepare(settings, load_data(settings, None, ["si"], 2), cross_lingual=False)
        rows = {v: answer(run, v) for v in ("e2b", "31b", "auto")}
    report = score(run.plan, rows)
    assert {name: v.models for name, v in report.variants.items()} == {
        "e2b": ["ollama:gemma4:e2b [stand-in]"],
        "31b": ["ollama:gemma4:31b [stand-in]"],
        "auto": ["ollama:gemma4:31b [stand-in]"],
    }
    assert all("escalated:e2b>31b:wrong_language" in map(str, p.warnings) for p in rows["auto"]["si"])
    assert report.signature["route"] == route_version(own.route_file)
