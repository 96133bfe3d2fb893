"""Hybrid search in one language, and what it means for an answer: sentences, orders withheld, off-topic levels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock

import numpy as np

from mlrag.abstention.features import FEATURES, NULL_QUANTILE, null_level
from mlrag.embedding.base import Embedder
from mlrag.errors import EmbedderMismatchError, MissingIndexError
from mlrag.index.local.indexes import Place, at
from mlrag.index.protocol import Asked, DocumentStore, Found, Index, Leg
from mlrag.language_access import may_reach, permit
from mlrag.languages import language, off_topic
from mlrag.safety.prompt_injection import OrderGuard
from mlrag.text.detect import written_as
from mlrag.types import Evidence, Sentence, Vectors

SENTENCE_HITS = 3  # sentences of the best three passages are enough; a fourth adds nothing measurable


class Retriever:
    """Searches the per-language indexes of one place: a folder, or a server."""

    def __init__(self, place: Place, embedder: Embedder, guarded: bool = True) -> None:
        """`guarded`: sentences that give orders to the reader are withheld from generators."""
        self.indexes = at(place)
        self.embedder = embedder
        self._guard = OrderGuard(embedder) if guarded else None
        self._open: dict[str, Index] = {}
        self._null: dict[str, tuple[int, Vectors]] = {}  # by language: the commit it was measured at, the values
        self._off_topic: dict[str, Vectors] = {}  # by language: its off-topic questions, embedded
        self._measuring: dict[str, Lock] = {}
        self._lock = Lock()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The machines that a question is sent to before anybody answers it."""
        return (self.embedder.host, *self.indexes.hosts)

    def languages(self) -> list[str]:
        """Languages that have an index and that the caller may reach, sorted."""
        return [lang for lang in self.indexes.languages() if may_reach(lang)]

    def stores(self) -> dict[str, DocumentStore]:
        """The open store of every language, whoever asks; those of another embedder left out."""
        found: dict[str, DocumentStore] = {}
        for lang in self.indexes.languages():
            try:
                found[lang] = self._opened(lang).store
            except (MissingIndexError, EmbedderMismatchError):  # no answer comes from either
                continue
        return found

    def index(self, lang: str) -> Index:
        """Raises MissingIndexError for a language without one, EmbedderMismatchError for another embedder's,
        ForbiddenLanguageError for one that the caller may not reach."""
        permit(lang)
        return self._opened(lang)

    def _opened(self, lang: str) -> Index:
        if lang not in self._open or not self._open[lang].store.is_current:
            with self._lock:
                self._null.pop(lang, None)
                if not self.indexes.holds(lang):
                    raise MissingIndexError(lang)
                index = self.indexes.index(lang)
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
        with index.snapshot():
            evidence, found = self._search(question, index, vector, k, exclude, only, self._guard)
            return replace(evidence, null=self._null_of(index, found.commit))

    def measure_null(self, lang: str) -> None:
        """Build what follows from a change of the documents, and measure what off-topic questions get from them, so
        that the first question need not wait; nor need its reader be told of a rebuilt index."""
        index = self.index(lang)
        with index.snapshot():
            state = index.tidy()
            if state.live:
                self._null_of(index, state.commit)
        index.rebuilt_because = ""

    def _null_of(self, index: Index, commit: int) -> Vectors | None:
        """None in a language that has no off-topic questions."""
        questions = [q.question for q in off_topic(index.lang)]
        if not questions:
            return None
        with self._measuring.setdefault(index.lang, Lock()):  # after a change, one measures and the others wait
            known = self._null.get(index.lang)
            if known is not None and known[0] == commit:
                return known[1]
            key = hashlib.sha256(repr((questions, FEATURES, NULL_QUANTILE)).encode()).hexdigest()
            null = index.null(key)
            if null is None:
                vectors = self._embedded(index.lang, questions)
                null = null_level([self._search(q, index, v)[0] for q, v in zip(questions, vectors, strict=True)])
                index.keep_null(key, null, commit)
            self._null[index.lang] = commit, null
            return null

    def _embedded(self, lang: str, questions: Sequence[str]) -> Vectors:
        if lang not in self._off_topic:
            self._off_topic[lang] = self.embedder.encode_query(questions)
        return self._off_topic[lang]

    def _search(
        self,
        question: str,
        index: Index,
        vector: Vectors,
        k: int = 5,
        exclude: frozenset[str] = frozenset(),
        only: frozenset[str] | None = None,
        guard: OrderGuard | None = None,
    ) -> tuple[Evidence, Found]:
        """Raises MissingIndexError where nothing is stored."""
        readable = written_as(question, language(index.lang))
        found = index.search(Asked(question, vector, k, readable, exclude, only, k if guard else SENTENCE_HITS))
        if not found.live:
            raise MissingIndexError(index.lang)
        sentences = _sentences(found, vector)
        seen = Evidence(question, index.lang, found.hits, sentences, vector, found.mean, found.std, found.idf)
        return (guard.withhold(seen, list(found.sentences)) if guard else seen), found

    def ranking(self, question: str, lang: str, leg: Leg, k: int, vector: Vectors) -> list[str]:
        """Passage ids by one leg alone ("dense", "lexical") or by both ("hybrid"), for measuring."""
        readable = written_as(question, language(lang))
        return self.index(lang).ranking(Asked(question, vector, k, readable), leg)


def _sentences(found: Found, vector: Vectors) -> tuple[Sentence, ...]:
    out = []
    for number, (hit, (spans, vectors)) in enumerate(zip(found.hits[:SENTENCE_HITS], found.sentences, strict=False)):
        cosines: Vectors = vectors @ vector if len(spans) else np.zeros(0, np.float32)
        base = hit.passage.start
        for span, cosine in zip(spans, cosines, strict=True):
            text = hit.passage.text[span.start - base : span.end - base]
            out.append(Sentence(number, span.start, span.end, text, float(cosine)))
    return tuple(out)
