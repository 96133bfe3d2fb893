"""The places at the model: so many questions at once, the others in their order."""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """`async with` takes one. For one event loop, which a free place does not send round: anyio's limiter would, and
    takes three times as long."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def __aenter__(self) -> None:
        if self.taken < self.total:
            self.taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if not turn.cancelled():  # its turn had come
                self._leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        """Whose turn it is has the place at once."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1
