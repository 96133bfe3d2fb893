"""What the routes share: one retriever, one pipeline a variant, bounded work off the event loop, the upload jobs."""

from __future__ import annotations

from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from mlrag.cli.index import limits
from mlrag.embedding.base import Embedder
from mlrag.errors import QuestionError
from mlrag.factory import make_board, make_cache, make_pipeline, make_retriever
from mlrag.models.variants import with_thinking
from mlrag.settings import Settings
from service.cached_pipeline import Asker, keep_from_files
from service.jobs import Jobs
from service.metrics import Metrics
from service.threads import Threads

_ASKERS = 32  # names come from requests: keep few


class Parts:
    """`heartbeat`: seconds of silence after which a stream says that it is alive; `embedder`: one loaded already."""

    def __init__(
        self, settings: Settings, metrics: Metrics, heartbeat: float = 10.0, embedder: Embedder | None = None
    ) -> None:
        self.settings = settings
        self.heartbeat = heartbeat
        self.retriever = make_retriever(settings, embedder)
        self.jobs = Jobs(self.retriever, limits(settings), make_board(settings))
        self.workers = CapacityLimiter(settings.max_asks)
        self.threads = Threads(settings.max_asks)
        self._cache = make_cache(settings, self.retriever)
        self._metrics = metrics
        self._askers: dict[str, Asker] = {}

    def close(self) -> None:
        self.jobs.close(self.settings.drain)
        self.threads.close()
        self.retriever.indexes.close()
        if self._cache:
            self._cache.close()

    def asker(self, variant: str | None = None, think: bool | None = None) -> Asker:
        """Raises QuestionError for a name that means nothing, or that names a file."""
        name = variant or self.settings.variant
        if think is not None:
            name = with_thinking(name, "on" if think else "off")
        if name not in self._askers:
            try:
                keep_from_files(name, self.settings)
                pipeline = make_pipeline(self.settings, self.retriever, name)
            except ValueError as error:
                raise QuestionError(str(error)) from error
            if len(self._askers) >= _ASKERS:
                self._askers.clear()
            self._askers[name] = Asker(pipeline, name, self._cache, self._metrics, self.settings.log_questions)
        return self._askers[name]


async def _parts(request: Request) -> Parts:  # async: no thread for it
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
