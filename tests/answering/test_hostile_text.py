"""Citations are verbatim over hostile Unicode; `benchmarks/hostile_text.py` measures the same at full size."""

from benchmarks.hostile_text import failures, hostile_index, styles
from benchmarks.promise import over
from mlrag.abstention.calibration import shipped_calibration
from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.generation.extractive import Extractive
from mlrag.index.local.indexes import FolderIndexes
from mlrag.testing import FakeOllama
from tests.conftest import CORPORA


def test_citations_are_verbatim_over_hostile_unicode(embedder, tmp_path):
    documents = hostile_index(embedder, tmp_path, CORPORA, ("en", "si", "ar", "zh"), 3)
    retriever = Retriever(FolderIndexes(tmp_path / "index"), embedder)
    extractive = Pipeline(retriever, Extractive(shipped_calibration(embedder.name)), cross_language=False)
    bad, _, seen = failures(extractive, documents, 150)
    assert (bad.bad, bad.n, seen) == (0, 150, [])
    with FakeOllama(reply=styles()) as double:
        bad, _, seen = failures(over(retriever, double), documents, 40)
    assert (bad.bad, bad.n, seen) == (0, 40, [])
