"""The index of the starter documents that tests search, made once: `python -m tests.support.corpus_index FOLDER`."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.embedding.load import load_embedder
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.languages import languages

CORPORA = Path(__file__).parents[2] / "corpora"


def build_corpus_index(folder: Path, embedder: Embedder) -> None:
    """Index every starter corpus below `folder`/index. A second process waits for the first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        documents = [d for code in languages() for d in read_documents([CORPORA / code], code)]
        index_documents(documents, FolderIndexes(folder / "index"), embedder)


if __name__ == "__main__":
    build_corpus_index(Path(sys.argv[1]), load_embedder())
