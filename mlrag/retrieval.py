"""Hybrid search in one language, and which other language to look in.

Fusion: the top 100 of both legs are pooled; the dense score is exact for all of the pool, a passage the
lexical leg did not return scores 0 there; fused = 2 × z(dense) + z(lexical), z over the pool. A question in another
script than the index's is searched by the dense leg alone: what its words match there are names and numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from mlrag.access import may_reach, permit
from mlrag.errors import EmbedderMismatchError, MissingIndexError
from mlrag.generation.orders import OrderGuard
from mlrag.generation.scoring import FEATURES, NULL_QUANTILE, null_level
from mlrag.index.embedders import Embedder
from mlrag.index.generation import Derived
from mlrag.index.language_index import LanguageIndex
from mlrag.index.null import read_null, write_null
from mlrag.index.store import Store
from mlrag.languages import language, off_topic
from mlrag.records import Evidence, Hit, Sentence, Span, Vectors
from mlrag.text.detect import written_as

POOL = 100
DENSE_WEIGHT = 2.0
SENTENCE_HITS = 3  # sentences of the best three passages are enough; a fourth adds nothing measurable


def z_scores(values: Vectors) -> Vectors:
    """(x - mean) / std over the pool; zeros where all are equal."""
    deviation = float(values.std()) if len(values) else 0.0
    return np.asarray((values - values.mean()) / deviation if deviation > 1e-9 else np.zeros_like(values), np.float32)


def fuse(dense: Vectors, lexical: Vectors, readable: bool = True) -> Vectors:
    """Fused scores of a pool; by the dense leg alone where the lexical one cannot read the question."""
    return DENSE_WEIGHT * z_scores(dense) + readable * z_scores(lexical)


class Retriever:
    """Searches the per-language indexes below one folder."""

    def __init__(self, folder: Path, embedder: Embedder, guarded: bool = True) -> None:
        """`guarded`: sentences that give orders to the reader are withheld from generators."""
        self._folder = folder
        self.embedder = embedder
        self._guard = OrderGuard(embedder) if guarded else None
        self._open: dict[str, LanguageIndex] = {}
        self._null: dict[str, tuple[int, Vectors]] = {}  # by language: the commit it was measured at, the values
        self._off_topic: dict[str, Vectors] = {}  # by language: its off-topic questions, embedded
        self._measuring: dict[str, Lock] = {}
        self._lock = Lock()

    def languages(self) -> list[str]:
        """Languages that have an index and that the caller may reach, sorted."""
        return [lang for lang in self._indexed() if may_reach(lang)]

    def _indexed(self) -> list[str]:
        return sorted(p.parent.name for p in self._folder.glob("*/store.sqlite"))

    def stores(self) -> dict[str, Store]:
        """The open store of every language, whoever asks; those of another embedder left out."""
        found = {}
        for lang in self._indexed():
            try:
                found[lang] = self._opened(lang).store
            except (MissingIndexError, EmbedderMismatchError):  # no answer comes from either
                continue
        return found

    def index(self, lang: str) -> LanguageIndex:
        """Raises MissingIndexError for a language without one, EmbedderMismatchError for another embedder's,
        ForbiddenLanguageError for one that the caller may not reach."""
        permit(lang)
        return self._opened(lang)

    def _opened(self, lang: str) -> LanguageIndex:
        if lang not in self._open or not self._open[lang].store.is_current:
            with self._lock:
                self._null.pop(lang, None)
                if not (self._folder / lang / "store.sqlite").is_file():
                    raise MissingIndexError(lang)
                index = LanguageIndex(self._folder / lang, lang)
                index.store.check_embedder(self.embedder.name)
                self._open[lang] = index
        return self._open[lang]

    def matching(self, lang: str, filters: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """Ids of the documents of a language whose front matter has one of the values in each field."""
        return self.index(lang).store.matching(filters)

    def embed(self, question: str) -> Vectors:
        """(dim,) float32."""
        return np.asarray(self.embedder.encode_query([question])[0], np.float32)

    def search(
        self,
        question: str,
        lang: str,
        k: int = 5,
        exclude: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        vector: Vectors | None = None,
    ) -> Evidence:
        """The k best passages for a question in one language, with the sentences of the first of them.

        Documents in `exclude` are treated as if they were not there; `only`, where given, names all that are.
        Raises MissingIndexError.
        """
        index = self.index(lang)
        vector = self.embed(question) if vector is None else vector
        with index.store.snapshot():
            derived = index.current()
            if not derived.live:
                raise MissingIndexError(lang)
            found = self._search(question, index, derived, vector, k, exclude, only, self._guard)
            return replace(found, null=self._null_of(index, derived))

    def measure_null(self, lang: str) -> None:
        """Build what follows from a change of the documents, and measure what off-topic questions get from them, so
        that the first question need not wait; nor need its reader be told of a rebuilt index."""
        index = self.index(lang)
        with index.store.snapshot():
            derived = index.tidy()
            if derived.live:
                self._null_of(index, derived)
        index.rebuilt_because = ""

    def _null_of(self, index: LanguageIndex, derived: Derived) -> Vectors | None:
        """None in a language that has no off-topic questions."""
        questions = [q.question for q in off_topic(index.lang)]
        if not questions:
            return None
        with self._measuring.setdefault(index.lang, Lock()):  # after a change, one measures and the others wait
            known = self._null.get(index.lang)
            if known is not None and known[0] == derived.commit:
                return known[1]
            key = hashlib.sha256(repr((questions, FEATURES, NULL_QUANTILE)).encode()).hexdigest()
            null = read_null(derived.folder, key)
            if null is None:
                vectors = self._embedded(index.lang, questions)
                null = null_level([self._search(q, index, derived, v) for q, v in zip(questions, vectors, strict=True)])
                write_null(derived.folder, key, null)
            self._null[index.lang] = derived.commit, null
            return null

    def _embedded(self, lang: str, questions: Sequence[str]) -> Vectors:
        if lang not in self._off_topic:
            self._off_topic[lang] = self.embedder.encode_query(questions)
        return self._off_topic[lang]

    def _search(
        self,
        question: str,
        index: LanguageIndex,
        derived: Derived,
        vector: Vectors,
        k: int = 5,
        exclude: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        guard: OrderGuard | None = None,
    ) -> Evidence:
        hidden = self._hidden(index, derived, exclude, only)
        idf = derived.lexical.idf(question)
        positions, dense, lexical = self._pool(derived, vector, idf, hidden)
        fused = fuse(dense, lexical, written_as(question, language(index.lang)))
        best = np.argsort(-fused, kind="stable")[:k]
        rows = derived.rows[positions[best]]
        passages = index.store.passages(rows.tolist())
        hits = tuple(
            Hit(p, float(fused[b]), float(dense[b]), float(lexical[b])) for p, b in zip(passages, best, strict=True)
        )
        mean, std = derived.dense.spread(vector)
        held = [index.store.sentences(row) for row in rows[: None if guard else SENTENCE_HITS].tolist()]
        sentences = self._sentences(held, hits, vector)
        found = Evidence(question, index.lang, hits, sentences, vector, mean, std, idf)
        return guard.withhold(found, held) if guard else found

    def ranking(self, question: str, lang: str, leg: str, k: int, vector: Vectors) -> list[str]:
        """Passage ids by one leg alone ("dense", "lexical") or by both ("hybrid"), for measuring."""
        index = self.index(lang)
        derived = index.current()
        if leg == "dense":
            positions, _ = derived.dense.search(vector, k)
        elif leg == "lexical":
            positions, _ = derived.lexical.search(derived.lexical.idf(question), k)
        else:
            pool, dense, lexical = self._pool(derived, vector, derived.lexical.idf(question), np.zeros(0, np.int64))
            fused = fuse(dense, lexical, written_as(question, language(lang)))
            positions = pool[np.argsort(-fused, kind="stable")[:k]]
        return [p.id for p in index.store.passages(derived.rows[positions].tolist())]

    @staticmethod
    def _hidden(
        index: LanguageIndex, derived: Derived, exclude: frozenset[str], only: frozenset[str] | None
    ) -> NDArray[np.int64]:
        """Positions that this search must not see."""
        if only is None and not exclude:
            return np.zeros(0, np.int64)
        mask = np.zeros(len(derived.rows), bool)
        if only is not None:
            mask |= ~np.isin(derived.rows, sorted(index.store.rows_of(sorted(only))))
        if exclude:
            mask |= np.isin(derived.rows, sorted(index.store.rows_of(sorted(exclude))))
        return np.flatnonzero(mask)

    @staticmethod
    def _pool(
        derived: Derived, vector: Vectors, idf: Mapping[str, float], hidden: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Vectors, Vectors]:
        """(positions, dense, lexical) of the pooled top of both legs."""
        near, _ = derived.dense.search(vector, POOL + len(hidden))
        matched, scores = derived.lexical.search(idf, POOL + len(hidden))
        positions = np.unique(np.concatenate([near, matched]))
        if len(hidden):
            positions = np.setdiff1d(positions, hidden)
            kept = np.isin(matched, positions)
            matched, scores = matched[kept], scores[kept]
        lexical = np.zeros(len(positions), np.float32)
        lexical[np.searchsorted(positions, matched)] = scores
        return positions, derived.dense.score(vector, positions), lexical

    @staticmethod
    def _sentences(
        held: Sequence[tuple[Sequence[Span], Vectors]], hits: tuple[Hit, ...], vector: Vectors
    ) -> tuple[Sentence, ...]:
        """Of the first hits; `held`: each hit's sentences and their vectors."""
        found = []
        for number, ((spans, vectors), hit) in enumerate(zip(held[:SENTENCE_HITS], hits, strict=False)):
            cosines: Vectors = vectors @ vector if len(spans) else np.zeros(0, np.float32)
            base = hit.passage.start
            for span, cosine in zip(spans, cosines, strict=True):
                text = hit.passage.text[span.start - base : span.end - base]
                found.append(Sentence(number, span.start, span.end, text, float(cosine)))
        return tuple(found)
