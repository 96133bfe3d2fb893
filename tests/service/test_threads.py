"""Threads for questions: who is woken, and who ends."""

import threading
import time

from service.threads import Threads


def names(count, threads, work=lambda: None):
    """The threads that did so much work, one after the other."""
    found, done = [], threading.Semaphore(0)

    def told():
        work()
        found.append(threading.current_thread())
        done.release()

    for _ in range(count):
        threads.start(told)
        assert done.acquire(timeout=10)
        time.sleep(0.02)  # until it waits again
    return found


def test_one_thread_does_what_comes_one_after_the_other_and_ends_with_the_others():
    threads = Threads(4)
    found = names(5, threads)
    assert len(set(found)) == 1
    threads.close()
    found[0].join(5)
    assert not found[0].is_alive()


def test_work_at_once_has_a_thread_each_and_so_many_wait_for_more():
    threads, together, found = Threads(2), threading.Barrier(3), []

    def work():
        together.wait(10)
        found.append(threading.current_thread())

    for _ in range(3):
        threads.start(work)
    until = time.monotonic() + 10
    while (len(found), sum(t.is_alive() for t in found)) != (3, 2) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(set(found)) == 3
    assert sum(t.is_alive() for t in found) == 2
    threads.close()
    for thread in found:
        thread.join(5)
        assert not thread.is_alive()


def test_a_thread_that_waits_in_vain_ends(monkeypatch):
    monkeypatch.setattr("service.threads._PATIENCE", 0.05)
    threads = Threads(1)
    (first,) = names(1, threads)
    first.join(5)
    assert not first.is_alive()
    assert names(1, threads) != [first]
    threads.close()
