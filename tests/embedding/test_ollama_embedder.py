"""Embeddings through Ollama: the family's prompts, nothing cut, and every failure a sentence that helps."""

import unicodedata

import numpy as np
import pytest

from mlrag.answering.pipeline import Pipeline
from mlrag.answering.retriever import Retriever
from mlrag.documents.readers import read_documents
from mlrag.embedding.load import load_embedder
from mlrag.embedding.ollama import BATCH, OllamaEmbedder
from mlrag.errors import EmbedderError, EmbedderMismatchError, PrivacyError
from mlrag.factory import make_embedder, make_pipeline
from mlrag.index.local.indexes import FolderIndexes
from mlrag.ingest.index_documents import index_documents
from mlrag.settings import Settings
from mlrag.testing import FakeOllama
from tests.conftest import CORPORA


@pytest.mark.parametrize(
    ("tag", "query", "document"),
    [
        ("embeddinggemma", "task: search result | query: நைல்", "title: none | text: நைல்"),
        ("nomic-embed-text:v1.5", "search_query: நைல்", "search_document: நைல்"),
        (
            "qwen3-embedding:0.6b",
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:நைல்",
            "நைல்",
        ),
        ("bge-m3", "நைல்", "நைல்"),
    ],
)
def test_a_family_is_asked_with_its_prompts(tag, query, document):
    with FakeOllama(models=(tag,)) as double:
        embedder = load_embedder(f"ollama:{tag}", double.url)
        embedder.encode_query(["நைல்"])
        embedder.encode_document(["நைல்"])
        assert embedder.name == f"ollama:{tag}"
    assert [b["input"] for b in double.embeds] == [[query], [document]]
    assert all(b["truncate"] is False for b in double.embeds)


def test_vectors_are_of_length_one_in_order_and_batched():
    texts = [f"{n} நதி 川 نهر" for n in range(BATCH + 1)]
    with FakeOllama(models=("bge-m3",)) as double:
        embedder = OllamaEmbedder("bge-m3", double.url)
        vectors = embedder.encode_document(texts)
        assert [len(b["input"]) for b in double.embeds] == [BATCH, 1]
        assert np.allclose(embedder.encode_document(texts[-1:])[0], vectors[-1], atol=1e-6)
        assert embedder.encode_query([]).shape == (0, embedder.dim)
    assert vectors.shape == (len(texts), embedder.dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("text", ["கொசு", "しんぶんが", "café", "هُوَ"])
def test_either_normal_form_gives_the_same_vector(text):
    with FakeOllama(models=("bge-m3",)) as double:
        one, other = OllamaEmbedder("bge-m3", double.url).encode_query(
            [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
        )
    assert np.array_equal(one, other)


def test_failures_name_the_fix():
    with FakeOllama(models=("embeddinggemma",)) as double:
        double.embed_limit = 100
        with pytest.raises(EmbedderError, match=r"none is cut.*longer context"):
            OllamaEmbedder("embeddinggemma", double.url).encode_document(["short", "நீளம்" * 100])
        with pytest.raises(EmbedderError, match="ollama pull bge-m3"):
            OllamaEmbedder("bge-m3", double.url).encode_query(["?"])
        double.embed_fault = "busy"
        with pytest.raises(EmbedderError, match=r"503.*busy"):
            OllamaEmbedder("embeddinggemma", double.url).encode_query(["?"])
    with pytest.raises(EmbedderError, match="ollama serve"):
        OllamaEmbedder("embeddinggemma", double.url).encode_query(["?"])
    with pytest.raises(EmbedderError, match="ollama serve"):
        _ = OllamaEmbedder("embeddinggemma", double.url).engine


def test_documents_indexed_through_ollama_are_found_and_another_embedder_is_refused(tmp_path, embedder):
    with FakeOllama(models=("embeddinggemma",)) as double:
        settings = Settings(data_dir=tmp_path, embedder="ollama:embeddinggemma", ollama_host=double.url)
        documents = read_documents([CORPORA / "ta"], "ta")
        index_documents(documents, FolderIndexes(settings.index_dir), make_embedder(settings))
        pipeline = make_pipeline(settings, cross_language=False)
        answer = pipeline.ask("டெங்கு கொசு எப்போது கடிக்கும்?", "ta")
        elsewhere = Pipeline(pipeline.retriever, pipeline.generator, cross_language=False, is_remote=bool)
        assert elsewhere.ask("டெங்கு கொசு எப்போது கடிக்கும்?", "ta").left_machine
    assert not answer.abstained
    assert not answer.left_machine
    assert "டெங்கு" in answer.hits[0].passage.indexed_text
    assert answer.embedder == "ollama:embeddinggemma (ollama 0.33.0-test-double)"
    with pytest.raises(EmbedderMismatchError, match="--rebuild"):
        Retriever(FolderIndexes(settings.index_dir), embedder).search("?", "ta")


def test_private_forbids_a_remote_embedder(settings):
    wanted = {"embedder": "ollama:embeddinggemma", "ollama_host": "http://example.org:11434", "private": True}
    with pytest.raises(PrivacyError, match=r"example\.org"):
        make_embedder(settings.model_copy(update=wanted))
    ours = wanted | {"local_hosts": ("example.org",)}
    assert make_embedder(settings.model_copy(update=ours)).host == "example.org:11434"
