"""Places and threads: who waits, who is woken, and that nothing is lost when one gives up."""

import asyncio
import threading
import time

from service.places import Places
from service.threads import Threads
from tests.service.guarded import in_process


async def hold(places, name, seen, until):
    async with places:
        seen.append(name)
        await until.wait()


@in_process
async def test_places_are_given_in_the_order_of_asking():
    places, seen, until = Places(2), [], asyncio.Event()
    tasks = [asyncio.create_task(hold(places, n, seen, until)) for n in range(5)]
    await asyncio.sleep(0)
    assert (seen, places.taken, places.waiting) == ([0, 1], 2, 3)
    until.set()
    await asyncio.gather(*tasks)
    assert (seen, places.taken, places.waiting) == ([0, 1, 2, 3, 4], 0, 0)


@in_process
async def test_one_that_gives_up_loses_nobody_their_turn():
    places, seen, until = Places(1), [], asyncio.Event()
    first, second, third = (asyncio.create_task(hold(places, n, seen, until)) for n in range(3))
    await asyncio.sleep(0)
    second.cancel()  # while it waits
    await asyncio.gather(second, return_exceptions=True)
    assert places.waiting == 1
    until.set()
    await asyncio.sleep(0)
    third.cancel()  # in the moment in which its turn comes
    await asyncio.gather(first, third, return_exceptions=True)
    assert (seen, places.taken, places.waiting) == ([0], 0, 0)


@in_process
async def test_one_cancelled_and_not_yet_gone_is_passed_over():
    places, seen, until = Places(1), [], asyncio.Event()
    first, second, third = (asyncio.create_task(hold(places, n, seen, until)) for n in range(3))
    await asyncio.sleep(0)
    until.set()
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert (seen, places.taken) == ([0, 2], 0)


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
