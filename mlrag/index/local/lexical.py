"""The lexical ranker: BM25 in Tantivy over our own tokens, which no stock tokenizer gives for Indic or Han text."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray

from mlrag.index import fusion
from mlrag.index.local.files import link
from mlrag.text.tokens import tokens
from mlrag.types import Vectors

_HEAP = 200_000_000  # bytes the writer may hold before it flushes: 150,000 passages are one segment, read the fastest


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("tokens", stored=False, tokenizer_name="whitespace", index_option="freq")
    builder.add_unsigned_field("position", stored=False, indexed=True, fast=True)
    return builder.build()


class LexicalIndex:
    """Positions 0 … n-1 are those of the texts it was built from; deleted ones are never found.

    Until a whole build, deleted texts still count in BM25's document frequencies and mean length.
    """

    def __init__(self, folder: Path) -> None:
        self._index = tantivy.Index.open(str(folder))
        self._searcher = self._index.searcher()
        self._schema = self._index.schema

    @classmethod
    def build(cls, texts: Iterable[str], folder: Path) -> LexicalIndex:
        """Index texts into an empty folder."""
        folder.mkdir(parents=True)
        _write(tantivy.Index(_schema(), str(folder)), texts, 0, ())
        return cls(folder)

    @staticmethod
    def extend(
        old: Path, texts: Iterable[str], first: int, gone: Sequence[int] | NDArray[np.int64], folder: Path
    ) -> None:
        """Write the index of the folder `old` with texts added at positions from `first`, and without those at `gone`.

        Tantivy never changes a file that it has written, but replaces it: the old index stays what it is.
        """
        folder.mkdir(parents=True)
        for path in old.iterdir():
            if path.name[0] != ".":
                link(path, folder / path.name)
        shutil.copyfile(old / ".managed.json", folder / ".managed.json")
        _write(tantivy.Index.open(str(folder)), texts, first, gone)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def idf(self, question: str) -> dict[str, float]:
        """Return BM25's idf of each distinct token of the question: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        total = len(self)
        found = ((t, self._searcher.doc_freq("tokens", t)) for t in dict.fromkeys(tokens(question)))
        return {t: math.log(1 + (total - min(n, total) + 0.5) / (n + 0.5)) for t, n in found}

    def search(self, terms: Mapping[str, float], k: int) -> tuple[NDArray[np.int64], Vectors]:
        """Return the k best positions for these tokens (with their idf) and their BM25 scores, best first.

        Of many passages the commonest tokens are left out, as `mlrag.index.fusion` says.
        """
        small = len(self) < fusion.LARGE
        telling = [t for t, idf in terms.items() if idf >= fusion.TELLING or small] or terms
        parts = [(tantivy.Occur.Should, tantivy.Query.term_query(self._schema, "tokens", t, "freq")) for t in telling]
        if not parts or not len(self):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        hits = self._searcher.search(tantivy.Query.boolean_query(parts), k, count=False).hits
        positions = self._searcher.fast_field_values("position", [address for _, address in hits])
        return np.array(positions, np.int64), np.array([score for score, _ in hits], np.float32)


def _write(index: tantivy.Index, texts: Iterable[str], first: int, gone: Sequence[int] | NDArray[np.int64]) -> None:
    writer = index.writer(_HEAP, 1)
    if len(gone):  # delete_documents_by_term would look for a signed value, and find none
        wanted = tantivy.Query.term_set_query(index.schema, "position", list(map(int, gone)))
        writer.delete_documents_by_query(wanted)
    for position, text in enumerate(texts, first):
        entry = tantivy.Document()
        entry.add_unsigned("position", position)  # Document(position=…) would write a signed value
        entry.add_text("tokens", " ".join(tokens(text)))
        writer.add_document(entry)
    writer.commit()
    writer.wait_merging_threads()
