"""One peer in its own environment: var/peers/txtai/bin/python benchmarks/peers/peer.py NAME FOLDER.

Reads texts.json, vectors.npy, questions.json and queries.npy from the folder, then a command a line ("index",
"query"), and replies with a line of JSON: CPU seconds a passage and what the memory grew by, or the CPU seconds of
every query. The vectors come from a table, as lists where the peer wants lists, made before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

K = 10
Query = Callable[[str, Any], object]


@dataclass(frozen=True, slots=True)
class Given:
    """`vectors`: (n, dim) of the texts; `asked`: every question's vector; `folder`: where a peer may write."""

    texts: list[str]
    vectors: np.ndarray
    asked: dict[str, list[float]]
    folder: Path


def langchain(given: Given) -> Callable[[], Query]:
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings

    rows = given.vectors.tolist()
    ids = [str(n) for n in range(len(given.texts))]

    class Table(Embeddings):
        def embed_documents(self, _texts: list[str]) -> list[list[float]]:
            return rows

        def embed_query(self, text: str) -> list[float]:
            return given.asked[text]

    def index() -> Query:
        store = FAISS.from_texts(given.texts, Table(), ids=ids, distance_strategy="MAX_INNER_PRODUCT")
        return lambda text, _vector: store.similarity_search_with_score(text, k=K)

    return index


def llamaindex(given: Given) -> Callable[[], Query]:
    import faiss
    from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
    from llama_index.core.schema import QueryBundle, TextNode
    from llama_index.vector_stores.faiss import FaissVectorStore

    rows = given.vectors.tolist()

    def index() -> Query:
        store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(given.vectors.shape[1]))
        nodes = [TextNode(text=t, id_=str(n), embedding=rows[n]) for n, t in enumerate(given.texts)]
        context = StorageContext.from_defaults(vector_store=store)
        built = VectorStoreIndex(nodes, storage_context=context, embed_model=MockEmbedding(given.vectors.shape[1]))
        retriever = built.as_retriever(similarity_top_k=K)
        return lambda text, vector: retriever.retrieve(QueryBundle(text, embedding=vector))

    return index


def haystack(given: Given) -> Callable[[], Query]:
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    rows = given.vectors.tolist()

    def index() -> Query:
        store = InMemoryDocumentStore(embedding_similarity_function="dot_product", index=str(time.perf_counter()))
        store.write_documents([Document(id=str(n), content=t, embedding=rows[n]) for n, t in enumerate(given.texts)])
        return lambda _text, vector: store.embedding_retrieval(vector, top_k=K)

    return index


def txtai(given: Given, saved: bool = False) -> Callable[[], Query]:
    """Texts in SQLite, in a temporary file, without a commit; `saved`: all of it in a folder then."""
    from txtai import Embeddings

    documents = list(enumerate(given.texts))
    known = {text: np.array([vector], np.float32) for text, vector in given.asked.items()}
    settings = {"method": "external", "backend": "faiss", "faiss": {"components": "IDMap,Flat"}, "content": True}

    def index() -> Query:
        done = 0

        def table(texts: list[str]) -> np.ndarray:
            nonlocal done
            if texts[0] in known:
                return known[texts[0]]
            done += len(texts)
            return given.vectors[done - len(texts) : done]

        built = Embeddings(settings, transform=table)
        built.index(documents)
        if saved:
            built.save(str(given.folder / "saved"))
        return lambda text, _vector: built.search(text, K)

    return index


_TXTAI = ("txtai", "faiss-cpu", "torch")
PEERS: dict[str, tuple[Callable[[Given], Callable[[], Query]], Sequence[str]]] = {
    "langchain": (langchain, ("langchain-core", "langchain-community", "faiss-cpu")),
    "llamaindex": (llamaindex, ("llama-index-core", "llama-index-vector-stores-faiss", "faiss-cpu")),
    "haystack": (haystack, ("haystack-ai",)),
    "txtai": (txtai, _TXTAI),
    "txtai-saved": (partial(txtai, saved=True), _TXTAI),
}


def rss() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def main(name: str, folder: Path) -> None:
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    asked = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy").tolist()
    make, packages = PEERS[name]
    index = make(Given(texts, vectors, dict(zip(asked, queries, strict=True)), folder))
    out, sys.stdout = sys.stdout, sys.stderr  # what a peer prints is no reply
    out.write(json.dumps({"versions": ", ".join(f"{p} {version(p)}" for p in packages)}) + "\n")
    out.flush()
    query: Query | None = None
    for line in sys.stdin:
        if line.strip() == "index":
            query = None  # what was built before is given back before the clock starts
            before, begun = rss(), time.process_time()
            query = index()
            spent = time.process_time() - begun
            reply: dict[str, Any] = {"seconds": spent / len(texts), "bytes": (rss() - before) / len(texts)}
        else:
            assert query, "index first"
            spent_each = []
            for text, vector in zip(asked, queries, strict=True):
                begun = time.process_time()
                query(text, vector)
                spent_each.append(time.process_time() - begun)
            reply = {"queries": spent_each}
        out.write(json.dumps(reply) + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
