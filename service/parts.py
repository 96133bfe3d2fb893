"""What the routes share: one retriever, one pipeline a variant, bounded work off the event loop, the upload jobs."""

from __future__ import annotations

from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from mlrag.assemble import make_embedder, make_pipeline
from mlrag.errors import QuestionError
from mlrag.pipeline import Pipeline
from mlrag.retrieval import Retriever
from mlrag.settings import Settings
from mlrag.variants import with_thinking
from service.jobs import Jobs

_PIPELINES = 32  # names come from requests: keep few


class Parts:
    """`heartbeat`: seconds of silence after which a stream says that it is alive."""

    def __init__(self, settings: Settings, heartbeat: float = 10.0) -> None:
        self.settings = settings
        self.heartbeat = heartbeat
        self.retriever = Retriever(settings.index_dir, make_embedder(settings))
        self.jobs = Jobs(settings.index_dir, self.retriever)
        self.workers = CapacityLimiter(4)
        self._pipelines: dict[str, Pipeline] = {}

    def pipeline(self, variant: str | None = None, think: bool | None = None) -> Pipeline:
        """Raises QuestionError for a name that means nothing."""
        name = variant or self.settings.variant
        if think is not None:
            name = with_thinking(name, "on" if think else "off")
        if name not in self._pipelines:
            try:
                pipeline = make_pipeline(self.settings, self.retriever, name)
            except ValueError as error:
                raise QuestionError(str(error)) from error
            if len(self._pipelines) >= _PIPELINES:
                self._pipelines.clear()
            self._pipelines[name] = pipeline
        return self._pipelines[name]


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
