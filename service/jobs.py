"""Uploads on their way into the index: one worker thread, a bounded queue, a status for each on a board."""

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
from mlrag.state.jobs import Board, OwnBoard
from mlrag.types import UPLOAD, Document
from service.uploads import Upload

WAITING = 16  # uploads that may wait
_LOOK = 0.05
_BEAT = 10.0  # seconds between two signs of life on a board that others read
_DROPPED = "the service stopped before it came to this upload; send it again"
_SILENT = "the process that had this upload is gone; look whether the documents are there, or send it again"
_log = logging.getLogger("mlrag.service")


@dataclass(frozen=True, slots=True)
class File:
    """What came of one file: its (first) document's id, or why it could not be read; neither while it waits."""

    name: str
    doc_id: str = ""
    documents: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    lang: str
    files: tuple[File, ...]
    status: Literal["queued", "running", "done", "failed"] = "queued"
    error: str = ""

    @property
    def finished(self) -> bool:
        return self.status in ("done", "failed")


class Jobs:
    """Indexes uploads one after the other; the retriever finds them at the next question.

    `board`: where their status stands, for all who read it; in this process without. `waits`: `add` and `get` may wait
    on another machine.
    """

    def __init__(self, retriever: Retriever, limits: Limits | None = None, board: Board | None = None) -> None:
        self._limits = limits or Limits()
        self._retriever = retriever
        self._board = board or OwnBoard()
        self._form = TypeAdapter(Job)
        self._queue: Queue[tuple[Job, Sequence[Upload]] | None] = Queue(WAITING)
        self._unfinished: set[str] = set()
        self._lock = Lock()
        self._closed = Event()
        self._thread: Thread | None = None

    @property
    def waits(self) -> bool:
        return self._board.waits

    def add(self, lang: str, uploads: Sequence[Upload]) -> Job | None:
        """The job, queued; None where too many wait. Raises StorageError where its status cannot be kept."""
        job = Job(uuid.uuid4().hex, lang, tuple(File(u.name) for u in uploads))
        with self._lock:
            if self._queue.full():
                return None
            self._post(job)
            self._unfinished.add(job.id)
            self._queue.put_nowait((job, uploads))
            if self._thread is None:
                self._thread = Thread(target=self._run, daemon=True, name="uploads")
                self._thread.start()
                if self._board.waits:
                    Thread(target=self._live, daemon=True, name="uploads-beat").start()
        return job

    def get(self, job_id: str) -> Job | None:
        """Raises StorageError where the board cannot be read."""
        notice = self._board.find(job_id)
        if notice is None:
            return None
        job = self._form.validate_json(notice.body)
        return replace(job, status="failed", error=_SILENT) if notice.silent else job

    def close(self, seconds: float = 0.0) -> None:
        """Let the job that runs come to its end; those whose turn has not come after so many seconds are dropped."""
        until = time.monotonic() + seconds
        while not self._queue.empty() and time.monotonic() < until:
            time.sleep(_LOOK)
        with self._lock:
            while not self._queue.empty():
                item = self._queue.get_nowait()
                if item:
                    self._tell(replace(item[0], status="failed", error=_DROPPED))
            self._queue.put_nowait(None)
        if self._thread is not None:
            self._thread.join()
        self._closed.set()

    def _post(self, job: Job) -> None:
        self._board.post(job.id, self._form.dump_json(job).decode(), job.finished)

    def _tell(self, job: Job) -> None:
        """What became of the job is true, whether or not its status can be written down."""
        if job.finished:
            self._unfinished.discard(job.id)
        try:
            self._post(job)
        except StorageError as error:
            _log.error("upload %s is %s, but that could not be told: %s", job.id, job.status, error.message)

    def _live(self) -> None:
        while not self._closed.wait(_BEAT):
            try:
                self._board.beat(set(self._unfinished))
            except StorageError as error:
                _log.warning("uploads give no sign of life: %s", error.message)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            job, uploads = item
            job = replace(job, status="running")
            self._tell(job)
            self._tell(self._finish(job, uploads))

    def _finish(self, job: Job, uploads: Sequence[Upload]) -> Job:
        try:
            documents, files = read_uploads(uploads, job.lang, self._limits)
            job = replace(job, files=self._with_replaced(files, job.lang))
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

    def _with_replaced(self, files: tuple[File, ...], lang: str) -> tuple[File, ...]:
        """Files with a warning where they replace a document that was indexed from a file of this machine."""
        store = self._retriever.stores().get(lang)
        told = []
        for file in files:
            old = store.document(file.doc_id) if store and file.doc_id else None
            said = f"{file.name}: replaces the document that {Path(old.source).name} gave" if old else ""
            replaced = old is not None and not old.source.startswith(UPLOAD)
            told.append(replace(file, warnings=(*file.warnings, said)) if replaced else file)
        return tuple(told)


def read_uploads(uploads: Sequence[Upload], lang: str, limits: Limits) -> tuple[list[Document], tuple[File, ...]]:
    """The documents that can be read, and what came of every file."""
    documents: dict[str, Document] = {}
    files = []
    with Sandbox(limits) as sandbox:
        for upload in uploads:
            try:
                found, warnings = _read(upload, lang, sandbox)
            except DocumentError as error:
                files.append(File(upload.name, error=str(error)))
            else:
                documents |= {d.id: d for d in found}
                files.append(File(upload.name, found[0].id, len(found), warnings))
    return list(documents.values()), tuple(files)


def _read(upload: Upload, lang: str, sandbox: Sandbox) -> tuple[list[Document], tuple[str, ...]]:
    """The upload's bytes lie under a name of our own while they are read; its name is never a path."""
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
