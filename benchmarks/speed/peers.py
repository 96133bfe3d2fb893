"""Other libraries over the same passages and vectors, each in its own environment (benchmarks/peers/make.sh)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.reopen import HOUSE
from mlrag.types import Vectors

NAMES = {
    "langchain": "LangChain + FAISS",
    "llamaindex": "LlamaIndex + FAISS",
    "haystack": "Haystack in memory",
    "txtai": "txtai, texts in a temporary SQLite file, vectors in memory",
    "txtai-saved": "txtai, saved to a folder",
}
TXTAI = ("txtai", "txtai-saved")


class Peer:
    """A process that indexes and asks when told."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises OSError, ValueError where it does not start."""
        python = HOUSE / "var" / "peers" / name.split("-")[0] / "bin" / "python"
        environment = os.environ | {"OMP_NUM_THREADS": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}
        self._process = subprocess.Popen(
            [python, HOUSE / "benchmarks" / "peers" / "peer.py", name, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.versions = str(self._reply()["versions"])
        self.bytes_a_passage = 0.0

    def _reply(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def _tell(self, command: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._reply()

    def index(self) -> float:
        """CPU seconds a passage."""
        reply = self._tell("index")
        self.bytes_a_passage = max(self.bytes_a_passage, reply["bytes"])
        return float(reply["seconds"])

    def query(self) -> list[float]:
        """CPU seconds of every query."""
        return list(self._tell("query")["queries"])

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def write_inputs(folder: Path, texts: Sequence[str], vectors: Vectors, asked: Sequence[str], queries: Vectors) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.json").write_text(json.dumps(list(texts)), encoding="utf-8")
    (folder / "questions.json").write_text(json.dumps(list(asked)), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)


def start(folder: Path, names: Iterable[str] = NAMES) -> tuple[dict[str, Peer], dict[str, str]]:
    """The peers that there are; and why the others are not."""
    running, missing = {}, {}
    for name in names:
        try:
            running[name] = Peer(name, folder)
        except OSError:
            missing[name] = "not installed: sh benchmarks/peers/make.sh"
        except ValueError:
            missing[name] = "does not start"
    return running, missing


class RawFaiss:
    """A flat index and a list of texts: the least that a search can be made of."""

    def __init__(self, texts: Sequence[str], vectors: Vectors) -> None:
        self._texts, self._vectors = texts, vectors
        self._held: tuple[faiss.Index, list[str]] | None = None

    def index(self) -> None:
        found = faiss.IndexFlatIP(self._vectors.shape[1])
        found.add(self._vectors)
        self._held = found, list(self._texts)

    def query(self, vector: Vectors, k: int = 10) -> list[str]:
        assert self._held
        faiss.omp_set_num_threads(1)
        _, positions = self._held[0].search(vector.reshape(1, -1), k)
        return [self._held[1][p] for p in positions[0]]
