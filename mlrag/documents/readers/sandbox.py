"""Read files in a separate process, so that a hostile file costs bounded time and memory."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from mlrag.documents.readers.base import Limits, LoadedFile
from mlrag.errors import DocumentError
from mlrag.types import Document


class Sandbox:
    """A reading process, started at the first file and again after each file for which it had to be killed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def load(self, path: Path, lang: str | None, root: Path | None) -> LoadedFile:
        """Read the documents of one file. Raises DocumentError, also for exceeded time and memory."""
        process = self._start()
        request = {"path": str(path), "lang": lang, "root": root and str(root), "limits": asdict(self._limits)}
        assert process.stdin
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            reply = json.loads(self._reply(process))
        except queue.Empty:
            self.close()
            raise DocumentError(
                f"{path} takes longer than {self._limits.seconds:g} s to read",
                "split it, or raise max_file_seconds (MLRAG_MAX_FILE_SECONDS)",
            ) from None
        except (OSError, ValueError) as error:
            self.close()
            raise DocumentError(
                f"{path} ended its reader: it may need more than {self._limits.memory / 1e6:,.0f} MB of memory",
                "split it, or raise max_file_memory_mb (MLRAG_MAX_FILE_MEMORY_MB)",
            ) from error
        if "error" in reply:
            raise DocumentError(reply["error"], reply["hint"])
        return LoadedFile(tuple(Document(**d) for d in reply["documents"]), tuple(reply["warnings"]))

    def _reply(self, process: subprocess.Popen[str]) -> str:
        """The next line of the process, "" when it has ended. Raises queue.Empty when it takes too long."""
        assert process.stdout
        lines: queue.Queue[str] = queue.Queue()
        stdout = process.stdout
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        return lines.get(timeout=self._limits.seconds)

    def _start(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            paths = os.pathsep.join(filter(None, [str(Path.cwd()) if "" in sys.path else "", *sys.path]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlrag.documents.readers.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                env=os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        return self._process

    def close(self) -> None:
        """End the process and its children."""
        process, self._process = self._process, None
        if process is None:
            return
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
