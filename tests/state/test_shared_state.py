"""What replicas share keeps to one contract wherever it lies: in this process and its folder, or in PostgreSQL."""

import threading
import time
from dataclasses import replace

import pytest
from limits import parse

from mlrag.errors import StorageError
from mlrag.state.answers import CacheKey, SqliteAnswers
from mlrag.state.budget import BudgetUsage, Cost, SqliteBudget
from mlrag.state.jobs import InProcessJobStatus, JobStatus
from mlrag.state.keys import FileKeys, KeyRing, make_key
from mlrag.state.rate_limit import InProcessRateLimiter

NOW = CacheKey("documents of today", "question 1")


@pytest.fixture
def shared(postgres):
    """The connection to a real server, whose shared tables are empty, and are so again afterwards."""
    from mlrag.state.postgres import shared_server

    server = shared_server(postgres.url)
    tables = "mlrag.api_key, mlrag.rate, mlrag.answer, mlrag.notice, mlrag.spent, mlrag.asked"
    server.write(lambda connection: connection.execute(f"TRUNCATE {tables}"))
    yield server
    server.write(lambda connection: connection.execute(f"TRUNCATE {tables}"))


@pytest.fixture(params=["own", "postgres"])
def server(request):
    """None: what lies in this process and its folder."""
    return request.getfixturevalue("shared") if request.param == "postgres" else None


@pytest.fixture
def keys(server, tmp_path):
    from mlrag.state.keys_postgres import PostgresKeys

    return PostgresKeys(server) if server else FileKeys(tmp_path / "keys.json")


@pytest.fixture
def rates(server):
    from mlrag.state.postgres import Dispensable
    from mlrag.state.rate_limit_postgres import PostgresRateLimiter

    return PostgresRateLimiter(Dispensable(server), "request") if server else InProcessRateLimiter()


@pytest.fixture
def rows(server, tmp_path):
    from mlrag.state.answers_postgres import PostgresAnswers
    from mlrag.state.postgres import Dispensable

    return PostgresAnswers(Dispensable(server)) if server else SqliteAnswers(tmp_path / "answers.sqlite")


@pytest.fixture
def statuses(server):
    from mlrag.state.jobs_postgres import PostgresJobStatus

    return PostgresJobStatus(server) if server else InProcessJobStatus()


@pytest.fixture
def book(server, tmp_path):
    from mlrag.state.budget_postgres import PostgresBudget

    return PostgresBudget(server) if server else SqliteBudget(tmp_path / "spent.sqlite")


def test_keys_are_kept_by_name_and_found_by_token(keys):
    anna, token = make_key("முரளி", "write", ("ta", "si"))
    assert keys.read() == [] and keys.add(anna) and not keys.add(make_key("முரளி", "read")[0])
    other, _ = make_key("other", "admin")
    assert keys.add(other)
    assert {key.id: key for key in keys.read()} == {anna.id: anna, other.id: other}
    assert KeyRing(keys).current().find(token) == anna
    assert KeyRing(keys).current().find(token[:-1]) is None
    assert keys.revoke("முரளி") and not keys.revoke("முரளி")
    assert KeyRing(keys).current().find(token) is None


def test_a_ring_reads_keys_once_a_version(keys):
    ring, (anna, token) = KeyRing(keys), make_key("anna", "read")
    assert len(ring.current()) == 0
    keys.add(anna)
    until = time.monotonic() + 30
    while len(ring.current()) == 0 and time.monotonic() < until:
        time.sleep(0.05)
    assert ring.current().find(token) == anna


@pytest.mark.parametrize("given", ["2/minute", "3/hour"])
def test_a_rate_lets_so_many_through_and_no_more_by_however_many_at_once(rates, given):
    rate, let = parse(given), []
    askers = [threading.Thread(target=lambda: let.append(rates.hit(rate, "anna"))) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert sum(let) == rate.amount
    assert 0 < rates.opens_in(rate, "anna") <= rate.get_expiry()
    assert rates.hit(rate, "murali")


def test_a_rate_opens_again_as_its_oldest_hit_grows_old(rates):
    rate = parse("2/second")
    assert [rates.hit(rate, "anna") for _ in range(3)][:2] == [True, True]
    until = time.monotonic() + 30
    while not rates.hit(rate, "anna") and time.monotonic() < until:
        time.sleep(0.05)
    assert time.monotonic() < until


def test_an_answer_is_found_until_the_documents_change(rows):
    assert rows.find(NOW.key) is None
    rows.keep(NOW, "நீளம்".encode(), 10)
    rows.keep(replace(NOW, key="question 2"), b"2", 10)
    kept = rows.find(NOW.key)
    assert kept.body.decode() == "நீளம்" and kept.age >= 0
    rows.keep(NOW, b"anew", 10)
    assert rows.find(NOW.key).body == b"anew" and rows.find("question 2").body == b"2"
    rows.keep(CacheKey("documents of tomorrow", "question 3"), b"3", 10)
    assert rows.find(NOW.key) is None and rows.find("question 2") is None and rows.find("question 3").body == b"3"
    rows.close()


def test_answers_beyond_the_size_make_room(rows):
    for number in range(4):
        rows.keep(replace(NOW, key=str(number)), b"", 2)
    assert [rows.find(str(number)) is not None for number in range(4)] == [False, False, True, True]
    rows.close()


def test_a_job_status_is_found_by_whoever_reads_the_store(statuses):
    assert statuses.find("a") is None
    statuses.put("a", "வரிசையில்", False)
    statuses.send_heartbeat(["a", "of nobody"])
    assert statuses.find("a") == JobStatus("வரிசையில்", False)
    statuses.put("a", "முடிந்தது", True)
    assert statuses.find("a") == JobStatus("முடிந்தது", True)


def test_what_is_paid_is_counted_by_window_and_variant(book):
    assert book.total("today") == BudgetUsage(Cost(), 0)
    assert book.pay("today", "e4b", Cost(1, 100, 2.0, 0.5)) and book.pay("today", "e2b", Cost(1, 10, 1.0, 0.25))
    assert book.pay("today", "e4b", Cost(0, -50, -1.0, -0.25)) and book.pay("tomorrow", "e4b", Cost(1))
    book.count_question("today"), book.count_question("today")
    assert book.total("today") == BudgetUsage(Cost(2, 60, 2.0, 0.5), 2)
    assert book.by_variant("today") == {"e2b": Cost(1, 10, 1.0, 0.25), "e4b": Cost(1, 50, 1.0, 0.25)}
    assert not book.pay("today", "e4b", Cost(1), lambda spent: spent.cost.calls < 2)
    assert book.total("today").cost.calls == 2


def test_nobody_pays_between_a_look_and_a_payment(book):
    paid = []

    def pay():
        paid.append(book.pay("today", "e4b", Cost(1), lambda spent: spent.cost.calls < 3))

    payers = [threading.Thread(target=pay) for _ in range(8)]
    for payer in payers:
        payer.start()
    for payer in payers:
        payer.join()
    assert sum(paid) == 3 and book.total("today").cost.calls == 3


def test_a_dead_process_leaves_its_notices_silent(shared):
    from mlrag.state.jobs_postgres import PostgresJobStatus

    statuses = PostgresJobStatus(shared, stale_after=0.0)
    statuses.put("a", "running", False)
    statuses.put("b", "done", True)
    assert statuses.find("a").stale and not statuses.find("b").stale
    statuses = PostgresJobStatus(shared)
    statuses.put("a", "running", False)
    assert not statuses.find("a").stale


def test_without_its_table_limits_are_counted_by_each_process_and_answers_are_missed(shared):
    from mlrag.state.answers_postgres import PostgresAnswers
    from mlrag.state.postgres import Dispensable
    from mlrag.state.rate_limit_postgres import PostgresRateLimiter

    server, rate = shared, parse("2/minute")

    def rename(old, new):
        server.write(lambda connection: connection.execute(f"ALTER TABLE mlrag.{old} RENAME TO {new}"))

    rename("rate", "rate_away"), rename("answer", "answer_away")
    try:
        rates, rows = PostgresRateLimiter(Dispensable(server), "request"), PostgresAnswers(Dispensable(server))
        assert [rates.hit(rate, "anna") for _ in range(3)] == [True, True, False]
        assert 0 < rates.opens_in(rate, "anna") <= 60
        with pytest.raises(StorageError):
            rows.find("key")
        with pytest.raises(StorageError, match="left alone"):
            rows.keep(NOW, b"", 1)
    finally:
        rename("rate_away", "rate"), rename("answer_away", "answer")
