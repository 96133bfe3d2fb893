"""The off-topic baseline of an index: the answerability features that off-topic questions of its language get from it.

Features of a question are compared with it, since their scales differ by language and by index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Lock
from typing import Protocol

from mlrag.abstention.features import BASELINE_QUANTILE, FEATURES, measure_baseline
from mlrag.index.evidence import is_readable, search_evidence
from mlrag.index.protocol import Index, SearchQuery
from mlrag.languages import off_topic
from mlrag.types import Vectors

# A baseline stays valid while fewer than one passage in so many has changed since it was measured: a percentile hardly
# moves, and a large index takes a second to be asked all the questions again.
CHANGED_PART = 100


class QueryEncoder(Protocol):
    """The part of an embedder that is needed here."""

    def encode_query(self, texts: Sequence[str]) -> Vectors: ...


class OffTopicBaselines:
    """Baselines by language: measured once a commit, kept in memory and with the index."""

    def __init__(self, encoder: QueryEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, tuple[Index, int, Vectors]] = {}  # with the index and the commit that it was measured at
        self._question_vectors: dict[str, Vectors] = {}
        self._measuring: dict[str, Lock] = {}

    def get(self, index: Index, commit: int) -> Vectors | None:
        """Return the baseline at this commit, one value for each of FEATURES; the caller is in a snapshot of it.

        None in a language that has no off-topic questions.
        """
        questions = [q.question for q in off_topic(index.lang)]
        if not questions:
            return None
        with self._measuring.setdefault(index.lang, Lock()):  # after a change, one measures and the others wait
            known = self._known.get(index.lang)
            if known is not None and known[0] is index and known[1] == commit:
                return known[2]
            key = hashlib.sha256(repr((questions, FEATURES, BASELINE_QUANTILE)).encode()).hexdigest()
            baseline = index.load_baseline(key)
            if baseline is None:
                baseline = self._measure(index, questions)
                index.save_baseline(key, baseline, commit)
            self._known[index.lang] = index, commit, baseline
            return baseline

    def prepare_index(self, index: Index) -> None:
        """Build what follows from a change of the documents, and measure the baseline, so that the first question need
        not wait, nor be warned of a rebuilt index."""
        with index.read_transaction():
            state = index.optimize()
            if state.live:
                self.get(index, state.commit)
        index.rebuilt_because = ""

    def _measure(self, index: Index, questions: Sequence[str]) -> Vectors:
        if index.lang not in self._question_vectors:
            self._question_vectors[index.lang] = self._encoder.encode_query(questions)
        evidence = []
        for question, vector in zip(questions, self._question_vectors[index.lang], strict=True):
            query = SearchQuery(question, vector, readable=is_readable(question, index.lang))
            evidence.append(search_evidence(index, query)[0])
        return measure_baseline(evidence)
