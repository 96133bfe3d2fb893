"""Free memory goes back to the system: glibc keeps what hundreds of threads freed, scattered over its arenas.

One arena for all threads: with sixteen, 200 streams with writers beside them took a quarter more and went on
growing; with another allocator (jemalloc) they did not: what grew was holes. Python's lock lets one thread allocate
at a time anyway.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio.to_thread

_EVERY = 10.0  # seconds
_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def one_arena() -> None:
    """For threads that start from now on."""
    with suppress(AttributeError):  # no glibc
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


@asynccontextmanager
async def returned() -> AsyncIterator[None]:
    """Inside, what is free is given back every ten seconds; nothing is done where the C library is not glibc."""
    one_arena()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        yield
        return
    task = asyncio.create_task(_trim(trim))
    try:
        yield
    finally:
        task.cancel()


async def _trim(trim: Callable[[int], int]) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        await anyio.to_thread.run_sync(trim, 0)
