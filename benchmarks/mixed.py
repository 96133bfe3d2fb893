"""Many passages that look like real ones: sentences of real documents, shuffled, with vectors mixed of real ones.

A passage is three sentences of one language and a number of its own. Its sentences keep their real vectors; its own
vector is normalise(a × u + (1 - a) × w) of two of them, a uniform between 0.3 and 0.7: unlike random vectors they have
the neighbourhoods that HNSW walks through, and passages with a sentence in common are near in both legs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlrag.documents.readers import read_documents
from mlrag.embedding.base import Embedder
from mlrag.index.protocol import SearchQuery
from mlrag.index.serialize import unpack_int8
from mlrag.index.types import EmbeddedPassage
from mlrag.text.sentences import sentence_spans
from mlrag.types import Document, Passage, Span, Vectors

HOUSE = Path(__file__).resolve().parent.parent
PASSAGES, SENTENCES = 10, 3  # passages in a document, sentences in a passage
_LONGEST = 400  # characters of a sentence
_STORED = """
SELECT d.text, s.start, s."end", s.vector FROM sentences s JOIN passages p ON p.row = s.passage
JOIN documents d ON d.id = p.doc_id WHERE s."end" - s.start BETWEEN 10 AND ?
"""


@dataclass(frozen=True, slots=True)
class Sentences:
    """Distinct sentences of one language and their real vectors."""

    texts: Sequence[str]
    vectors: Vectors


def stored(lang: str, folders: Sequence[Path]) -> Sentences:
    """Those of indexes below these folders: `…/LANG/store.sqlite`. Raises ValueError where there is none."""
    found: dict[str, bytes] = {}
    for path in sorted(p for f in folders for p in f.glob(f"**/{lang}/store.sqlite")):
        with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
            rows = connection.execute(_STORED, (_LONGEST,))
            found |= {" ".join(text[start:end].split()): vector for text, start, end, vector in rows}
    if not found:
        raise ValueError(f"no index of {lang!r} below {', '.join(map(str, folders))}")
    return Sentences(list(found), unpack_int8(list(found.values())))


def embedded(lang: str, embedder: Embedder) -> Sentences:
    """Those of the starter documents."""
    texts = [d.text for d in read_documents([HOUSE / "corpora" / lang], lang)]
    distinct = list(dict.fromkeys(t[s.start : s.end] for t in texts for s in sentence_spans(t)))
    return Sentences(distinct, embedder.encode_document(distinct))


def documents(
    lang: str, count: int, known: Sentences, seed: int = 0
) -> Iterator[tuple[Document, list[EmbeddedPassage]]]:
    """`count` documents of ten passages each."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        lines, passages, at = [], [], 0
        for p in range(PASSAGES):
            chosen = chance.choice(len(known.texts), SENTENCES, replace=False)
            passage = _passage(f"{lang}-{number}#{p}", lang, [known.texts[c] for c in chosen], at)
            share = chance.uniform(0.3, 0.7)
            mixed = share * known.vectors[chosen[0]] + (1 - share) * known.vectors[chosen[1]]
            own = mixed / np.linalg.norm(mixed)
            passages.append(EmbeddedPassage(passage, own, _spans(known, chosen.tolist(), at), known.vectors[chosen]))
            lines.append(passage.text)
            at = passage.end + 2
        yield Document(f"{lang}-{number}", lang, "\n\n".join(lines)), passages


def _passage(name: str, lang: str, texts: Sequence[str], at: int) -> Passage:
    text = " ".join([*texts, f"{name}."])
    return Passage(name, name.split("#")[0], lang, at, at + len(text), text)


def _spans(known: Sentences, chosen: Sequence[int], at: int) -> tuple[Span, ...]:
    spans = []
    for c in chosen:
        spans.append(Span(at, at + len(known.texts[c])))
        at = spans[-1].end + 1
    return tuple(spans)


def questions(lang: str, embedder: Embedder, most: int) -> list[SearchQuery]:
    """Our own questions, as they are asked."""
    lines = (HOUSE / "eval" / "questions" / f"{lang}.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["question"] for line in lines[:most]]
    return [SearchQuery(t, v) for t, v in zip(texts, embedder.encode_query(texts), strict=True)]
