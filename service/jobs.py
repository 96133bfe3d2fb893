"""Index uploads in the background: one worker thread, a bounded queue, a status for each job."""

from __future__ import annotations

import logging
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue
from threading import Event, Lock, Thread
from typing import Literal

from pydantic import TypeAdapter

from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import SUFFIXES, Limits, Sandbox, load
from mlrag.errors import DocumentError, MlragError, StorageError
from mlrag.ingest.index_documents import index_documents
from mlrag.state.jobs import InProcessJobStatus, JobStatusStore
from mlrag.types import UPLOAD, Document
from service.uploads import Upload

MAX_WAITING = 16  # uploads in the queue
_POLL = 0.05  # seconds
_HEARTBEAT = 10.0  # seconds between two heartbeats in a store that other processes read
_DROPPED = "the service stopped before it came to this upload; send it again"
_LOST = "the process that had this upload is gone; look whether the documents are there, or send it again"
_log = logging.getLogger("mlrag.service")


@dataclass(frozen=True, slots=True)
class FileResult:
    """The result of one file: the id of its (first) document, or why it could not be read; neither while it waits."""

    name: str
    doc_id: str = ""
    documents: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class UploadJob:
    """One upload, and what became of its files so far."""

    id: str
    lang: str
    files: tuple[FileResult, ...]
    status: Literal["queued", "running", "done", "failed"] = "queued"
    error: str = ""

    @property
    def is_finished(self) -> bool:
        return self.status in ("done", "failed")


class UploadJobs:
    """Indexes uploads one after the other; the next question finds them.

    Args:
        statuses: The store of their status; by default it is in this process.
    """

    def __init__(
        self, retriever: Retriever, limits: Limits | None = None, statuses: JobStatusStore | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._retriever = retriever
        self._statuses = statuses or InProcessJobStatus()
        self._adapter = TypeAdapter(UploadJob)
        self._queue: Queue[tuple[UploadJob, Sequence[Upload]] | None] = Queue(MAX_WAITING)
        self._unfinished: set[str] = set()
        self._lock = Lock()
        self._closed = Event()
        self._thread: Thread | None = None

    @property
    def waits(self) -> bool:
        """Whether `add` and `get` may wait on another machine."""
        return self._statuses.waits

    def add(self, lang: str, uploads: Sequence[Upload]) -> UploadJob | None:
        """Queue a job and return it; None where too many wait. Raises StorageError where its status is not stored."""
        job = UploadJob(uuid.uuid4().hex, lang, tuple(FileResult(u.name) for u in uploads))
        with self._lock:
            if self._queue.full():
                return None
            self._store(job)
            self._unfinished.add(job.id)
            self._queue.put_nowait((job, uploads))
            if self._thread is None:
                self._thread = Thread(target=self._run, daemon=True, name="uploads")
                self._thread.start()
                if self._statuses.waits:
                    Thread(target=self._send_heartbeats, daemon=True, name="uploads-heartbeat").start()
        return job

    def get(self, job_id: str) -> UploadJob | None:
        """Return the job; None where it is unknown. Raises StorageError where its status cannot be read."""
        status = self._statuses.find(job_id)
        if status is None:
            return None
        job = self._adapter.validate_json(status.body)
        return replace(job, status="failed", error=_LOST) if status.stale else job

    def close(self, seconds: float = 0.0) -> None:
        """Wait for the running job; drop those that are still in the queue after so many seconds."""
        deadline = time.monotonic() + seconds
        while not self._queue.empty() and time.monotonic() < deadline:
            time.sleep(_POLL)
        with self._lock:
            while not self._queue.empty():
                item = self._queue.get_nowait()
                if item:
                    self._update(replace(item[0], status="failed", error=_DROPPED))
            self._queue.put_nowait(None)
        if self._thread is not None:
            self._thread.join()
        self._closed.set()

    def _store(self, job: UploadJob) -> None:
        self._statuses.put(job.id, self._adapter.dump_json(job).decode(), job.is_finished)

    def _update(self, job: UploadJob) -> None:
        """Store the status; where that fails, log it, for the work itself is done all the same."""
        if job.is_finished:
            self._unfinished.discard(job.id)
        try:
            self._store(job)
        except StorageError as error:
            _log.error("upload %s is %s, but its status could not be stored: %s", job.id, job.status, error.message)

    def _send_heartbeats(self) -> None:
        while not self._closed.wait(_HEARTBEAT):
            try:
                self._statuses.send_heartbeat(set(self._unfinished))
            except StorageError as error:
                _log.warning("the heartbeat of uploads could not be stored: %s", error.message)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            job, uploads = item
            job = replace(job, status="running")
            self._update(job)
            self._update(self._index(job, uploads))

    def _index(self, job: UploadJob, uploads: Sequence[Upload]) -> UploadJob:
        try:
            documents, files = parse_uploads(uploads, job.lang, self._limits)
            job = replace(job, files=self._warn_of_replaced(files, job.lang))
            index_documents(
                documents, self._retriever.indexes, self._retriever.embedder, baselines=self._retriever.baselines
            )
        except MlragError as error:
            return replace(job, status="failed", error=str(error))
        except Exception:
            _log.exception("an upload failed")
            return replace(job, status="failed", error="something unexpected went wrong; the log has it")
        if not documents:
            return replace(job, status="failed", error="no file could be read")
        return replace(job, status="done")

    def _warn_of_replaced(self, files: tuple[FileResult, ...], lang: str) -> tuple[FileResult, ...]:
        """Return the files with a warning where one replaces a document indexed from a file of this machine."""
        store = self._retriever.stores().get(lang)
        results = []
        for file in files:
            old = store.document(file.doc_id) if store and file.doc_id else None
            if old is not None and not old.source.startswith(UPLOAD):
                warning = f"{file.name}: replaces the document that {Path(old.source).name} gave"
                file = replace(file, warnings=(*file.warnings, warning))
            results.append(file)
        return tuple(results)


def parse_uploads(
    uploads: Sequence[Upload], lang: str, limits: Limits
) -> tuple[list[Document], tuple[FileResult, ...]]:
    """Return the documents that could be read, and the result of every file."""
    documents: dict[str, Document] = {}
    files = []
    with Sandbox(limits) as sandbox:
        for upload in uploads:
            try:
                parsed, warnings = _parse(upload, lang, sandbox)
            except DocumentError as error:
                files.append(FileResult(upload.name, error=str(error)))
            else:
                documents |= {d.id: d for d in parsed}
                files.append(FileResult(upload.name, parsed[0].id, len(parsed), warnings))
    return list(documents.values()), tuple(files)


def _parse(upload: Upload, lang: str, sandbox: Sandbox) -> tuple[list[Document], tuple[str, ...]]:
    """Parse one upload, in a file with a name of our own: the upload's name is never used as a path."""
    suffix = next((s for s in SUFFIXES if upload.name.lower().endswith(s)), None)
    if suffix is None:
        raise DocumentError(f"{upload.name} is of no readable kind", f"readable: {', '.join(SUFFIXES)}")
    with tempfile.TemporaryDirectory(prefix="mlrag-upload-") as folder:
        path = Path(folder) / f"{uuid.uuid4().hex}{suffix}"
        path.write_bytes(upload.data)
        try:
            loaded = load(path, sandbox, lang, path.parent)
        except DocumentError as error:
            message = error.message.replace(str(path), upload.name).replace(path.name, upload.name)
            raise DocumentError(message, error.hint) from error
    source = f"{UPLOAD}{upload.name}"
    documents = [replace(d, id=d.id.replace(path.name, upload.name), source=source) for d in loaded.documents]
    warnings = (w.replace(str(path), upload.name).replace(path.name, upload.name) for w in loaded.warnings)
    return documents, tuple(warnings)
