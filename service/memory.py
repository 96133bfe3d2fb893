"""Free memory goes back to the system: glibc keeps what hundreds of threads freed, scattered over its arenas."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread

_EVERY = 10.0  # seconds


@asynccontextmanager
async def returned() -> AsyncIterator[None]:
    """Inside, what is free is given back every ten seconds; nothing is done where the C library is not glibc."""
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
