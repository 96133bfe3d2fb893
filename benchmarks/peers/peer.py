"""One peer in its own environment: var/peers/NAME/bin/python benchmarks/peers/peer.py NAME FOLDER.

Reads texts.json, vectors.npy and queries.npy from the folder, then a command a line ("index", "query"), and replies
with a line of JSON: CPU seconds a passage and what the memory grew by, or the CPU seconds of every query. The vectors
come from a table, as lists where the peer wants lists, made before the clock starts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

K = 10
Query = Callable[[str, Any], object]


def langchain(texts: Sequence[str], vectors: np.ndarray, asked: dict[str, list[float]]) -> Callable[[], Query]:
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings

    rows = vectors.tolist()
    ids = [str(n) for n in range(len(texts))]

    class Table(Embeddings):
        def embed_documents(self, _texts: list[str]) -> list[list[float]]:
            return rows

        def embed_query(self, text: str) -> list[float]:
            return asked[text]

    def index() -> Query:
        store = FAISS.from_texts(list(texts), Table(), ids=ids, distance_strategy="MAX_INNER_PRODUCT")
        return lambda text, _vector: store.similarity_search_with_score(text, k=K)

    return index


def llamaindex(texts: Sequence[str], vectors: np.ndarray, _asked: object) -> Callable[[], Query]:
    import faiss
    from llama_index.core import MockEmbedding, StorageContext, VectorStoreIndex
    from llama_index.core.schema import QueryBundle, TextNode
    from llama_index.vector_stores.faiss import FaissVectorStore

    rows = vectors.tolist()

    def index() -> Query:
        store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(vectors.shape[1]))
        nodes = [TextNode(text=t, id_=str(n), embedding=rows[n]) for n, t in enumerate(texts)]
        context = StorageContext.from_defaults(vector_store=store)
        built = VectorStoreIndex(nodes, storage_context=context, embed_model=MockEmbedding(vectors.shape[1]))
        retriever = built.as_retriever(similarity_top_k=K)
        return lambda text, vector: retriever.retrieve(QueryBundle(text, embedding=vector))

    return index


def haystack(texts: Sequence[str], vectors: np.ndarray, _asked: object) -> Callable[[], Query]:
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    rows = vectors.tolist()

    def index() -> Query:
        store = InMemoryDocumentStore(embedding_similarity_function="dot_product", index=str(time.perf_counter()))
        store.write_documents([Document(id=str(n), content=t, embedding=rows[n]) for n, t in enumerate(texts)])
        return lambda _text, vector: store.embedding_retrieval(vector, top_k=K)

    return index


PEERS = {
    "langchain": (langchain, ("langchain-core", "langchain-community", "faiss-cpu")),
    "llamaindex": (llamaindex, ("llama-index-core", "llama-index-vector-stores-faiss", "faiss-cpu")),
    "haystack": (haystack, ("haystack-ai",)),
}


def rss() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def main(name: str, folder: Path) -> None:
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    asked = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy").tolist()
    make, packages = PEERS[name]
    index = make(texts, vectors, dict(zip(asked, queries, strict=True)))
    out, sys.stdout = sys.stdout, sys.stderr  # what a peer prints is no reply
    out.write(json.dumps({"versions": ", ".join(f"{p} {version(p)}" for p in packages)}) + "\n")
    out.flush()
    query: Query = lambda _text, _vector: None  # noqa: E731
    for line in sys.stdin:
        if line.strip() == "index":
            before, begun = rss(), time.process_time()
            query = index()
            spent = time.process_time() - begun
            reply: dict[str, Any] = {"seconds": spent / len(texts), "bytes": (rss() - before) / len(texts)}
        else:
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
