"""Status of background jobs: a protocol, and the store inside this process. `jobs_postgres` is the shared one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

_FINISHED_KEPT = 256


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The last status of a job; `body` is its JSON. `stale`: its process sent no heartbeat for a while, and is likely
    dead."""

    body: str
    finished: bool
    stale: bool = False


class JobStatusStore(Protocol):
    """Statuses by the job's name; finished ones are deleted after some time. Methods raise StorageError.

    `waits`: a call may wait for another machine, so that it must not run in an event loop.
    """

    waits: bool

    def put(self, name: str, body: str, finished: bool) -> None:
        """Store a status in place of the job's previous one."""

    def find(self, name: str) -> JobStatus | None: ...

    def send_heartbeat(self, names: Collection[str]) -> None:
        """Say that this process works on these jobs."""


class InProcessJobStatus:
    """Statuses inside this process; the last 256 finished ones are kept."""

    waits = False

    def __init__(self) -> None:
        self._statuses: dict[str, JobStatus] = {}
        self._lock = Lock()

    def put(self, name: str, body: str, finished: bool) -> None:
        with self._lock:
            self._statuses[name] = JobStatus(body, finished)
            finished_names = [name for name, status in self._statuses.items() if status.finished]
            for old in finished_names[: max(0, len(finished_names) - _FINISHED_KEPT)]:
                del self._statuses[old]

    def find(self, name: str) -> JobStatus | None:
        return self._statuses.get(name)

    def send_heartbeat(self, names: Collection[str]) -> None:
        """Do nothing: when this process dies, its statuses are gone."""
