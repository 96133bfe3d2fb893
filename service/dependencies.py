"""What the routes share: one retriever, one pipeline per variant, the worker threads' limiter, the upload jobs."""

from __future__ import annotations

from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from mlrag.cli.index import limits
from mlrag.embedding.base import Embedder
from mlrag.errors import QuestionError
from mlrag.factory import make_cache, make_job_statuses, make_pipeline, make_retriever
from mlrag.models.variants import with_thinking
from mlrag.settings import Settings
from service.cached_pipeline import CachedPipeline, reject_file_variant
from service.jobs import UploadJobs
from service.metrics import Metrics

_MAX_PIPELINES = 32  # variant names come from requests: keep few


class Dependencies:
    """The service's long-lived objects.

    Args:
        heartbeat: Seconds of silence after which a stream sends a comment.
        embedder: One that is loaded already; by default it is made from the settings.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, heartbeat: float = 10.0, embedder: Embedder | None = None
    ) -> None:
        self.settings = settings
        self.heartbeat = heartbeat
        self.retriever = make_retriever(settings, embedder)
        self.jobs = UploadJobs(self.retriever, limits(settings), make_job_statuses(settings))
        self.limiter = CapacityLimiter(settings.max_asks)
        self._cache = make_cache(settings, self.retriever)
        self._metrics = metrics
        self._pipelines: dict[str, CachedPipeline] = {}

    def close(self) -> None:
        self.jobs.close(self.settings.drain)
        self.retriever.indexes.close()
        if self._cache:
            self._cache.close()

    def get_pipeline(self, variant: str | None = None, think: bool | None = None) -> CachedPipeline:
        """Return the pipeline of a variant, by default the configured one, with thinking on, off or as configured.

        Raises QuestionError for a name that is no variant, or that names a file.
        """
        name = variant or self.settings.variant
        if think is not None:
            name = with_thinking(name, "on" if think else "off")
        if name not in self._pipelines:
            try:
                reject_file_variant(name, self.settings)
                pipeline = make_pipeline(self.settings, self.retriever, name)
            except ValueError as error:
                raise QuestionError(str(error)) from error
            if len(self._pipelines) >= _MAX_PIPELINES:
                self._pipelines.clear()
            self._pipelines[name] = CachedPipeline(
                pipeline, name, self._cache, self._metrics, self.settings.log_questions
            )
        return self._pipelines[name]


async def get_dependencies(request: Request) -> Dependencies:  # async: FastAPI runs plain functions in a thread
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Deps = Annotated[Dependencies, Depends(get_dependencies)]
