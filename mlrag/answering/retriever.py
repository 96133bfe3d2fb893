"""Hybrid search in one language, with what an answer needs of it: sentences, redacted spans, off-topic baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlrag.embedding.base import Embedder
from mlrag.errors import EmbedderMismatchError, MissingIndexError
from mlrag.index.evidence import SENTENCE_HITS, is_readable, search_evidence
from mlrag.index.off_topic_baseline import OffTopicBaselines
from mlrag.index.protocol import DocumentStore, Index, Indexes, Ranker, SearchQuery
from mlrag.language_access import may_reach, permit
from mlrag.safety.prompt_injection import PromptInjectionFilter
from mlrag.types import Evidence, Vectors


class Retriever:
    """Searches the indexes of all languages, which come from one embedder."""

    def __init__(self, indexes: Indexes, embedder: Embedder, guarded: bool = True) -> None:
        """`guarded`: the prompt-injection filter redacts sentences before generators see them."""
        self.indexes = indexes
        self.embedder = embedder
        self.baselines = OffTopicBaselines(embedder)
        self._injection_filter = PromptInjectionFilter(embedder) if guarded else None
        self._checked: dict[str, Index] = {}  # by language: the open index whose embedder is this one

    @property
    def hosts(self) -> tuple[str, ...]:
        """The machines that a question is sent to before anybody answers it."""
        return (self.embedder.host, *self.indexes.hosts)

    def languages(self) -> list[str]:
        """Return the languages that have an index and that the caller may reach, sorted."""
        return [lang for lang in self.indexes.languages() if may_reach(lang)]

    def stores(self) -> dict[str, DocumentStore]:
        """Return the open store of every language, whoever asks; those of another embedder left out."""
        stores: dict[str, DocumentStore] = {}
        for lang in self.indexes.languages():
            try:
                stores[lang] = self._open(lang).store
            except (MissingIndexError, EmbedderMismatchError):  # no answer comes from either
                continue
        return stores

    def index(self, lang: str) -> Index:
        """Return the open index of a language.

        Raises MissingIndexError for a language without one, EmbedderMismatchError for another embedder's,
        ForbiddenLanguageError for one that the caller may not reach.
        """
        permit(lang)
        return self._open(lang)

    def _open(self, lang: str) -> Index:
        index = self.indexes.index(lang)
        if self._checked.get(lang) is not index:
            index.store.check_embedder(self.embedder.name)
            self._checked[lang] = index
        return index

    def find_matching(self, lang: str, filters: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """Return the ids of a language's documents whose front matter has one of the values in each field."""
        return self.index(lang).store.find_matching(filters)

    def embed(self, question: str) -> Vectors:
        """Return the (dim,) float32 vector of a question."""
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
        """Return the k best passages for a question in one language, with the sentences of the first of them.

        Documents in `exclude` are treated as if they were not there; `only`, where given, names all that are.
        Raises MissingIndexError.
        """
        index = self.index(lang)
        vector = self.embed(question) if vector is None else vector
        detailed = k if self._injection_filter else SENTENCE_HITS  # the filter looks at every hit
        query = SearchQuery(question, vector, k, is_readable(question, lang), exclude, only, detailed)
        with index.read_transaction():
            evidence, result = search_evidence(index, query)
            if self._injection_filter:
                evidence = self._injection_filter.redact(evidence, list(result.sentences))
            return replace(evidence, off_topic_baseline=self.baselines.get(index, result.commit))

    def prepare_index(self, lang: str) -> None:
        """After a change of a language's documents, build what follows from it, so that no question need wait."""
        self.baselines.prepare_index(self.index(lang))

    def rank(self, question: str, lang: str, ranker: Ranker, k: int, vector: Vectors) -> list[str]:
        """Return passage ids by one ranker alone ("dense", "lexical") or by both ("hybrid"), for measuring."""
        return self.index(lang).rank(SearchQuery(question, vector, k, is_readable(question, lang)), ranker)
