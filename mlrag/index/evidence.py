"""One search, with all that an answer is made of: hits, their sentences, and the spread of the question's cosines."""

from __future__ import annotations

import numpy as np

from mlrag.errors import MissingIndexError
from mlrag.index.protocol import Index, SearchQuery, SearchResult
from mlrag.languages import language
from mlrag.text.detect import has_letter_of
from mlrag.types import Evidence, Sentence, Vectors

SENTENCE_HITS = 3  # sentences of the best three passages are enough; a fourth adds nothing measurable


def search_evidence(index: Index, query: SearchQuery) -> tuple[Evidence, SearchResult]:
    """Search one index. The evidence has the sentences of the first SENTENCE_HITS hits.

    Raises MissingIndexError where nothing is stored.
    """
    result = index.search(query)
    if not result.live:
        raise MissingIndexError(index.lang)
    sentences = _score_sentences(result, query.vector)
    evidence = Evidence(
        query.question, index.lang, result.hits, sentences, query.vector, result.mean, result.std, result.idf
    )
    return evidence, result


def is_readable(question: str, lang: str) -> bool:
    """Is the question in a script of this language? If not, its words match names and numbers alone."""
    return has_letter_of(question, language(lang))


def _score_sentences(result: SearchResult, vector: Vectors) -> tuple[Sentence, ...]:
    """The sentences of the first hits, with their cosines to the question."""
    scored = []
    hits = zip(result.hits[:SENTENCE_HITS], result.sentences, strict=False)
    for number, (hit, (spans, vectors)) in enumerate(hits):
        cosines: Vectors = vectors @ vector if len(spans) else np.zeros(0, np.float32)
        offset = hit.passage.start
        for span, cosine in zip(spans, cosines, strict=True):
            text = hit.passage.text[span.start - offset : span.end - offset]
            scored.append(Sentence(number, span.start, span.end, text, float(cosine)))
    return tuple(scored)
