"""What every place for indexes must do, held to by both: SQLite with FAISS and Tantivy, and PostgreSQL."""

import threading

import numpy as np
import pytest

from benchmarks.kill_store import Hashed
from mlrag.answering.retriever import Retriever
from mlrag.errors import EmbedderMismatchError, MissingIndexError
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.protocol import stores
from mlrag.index.serialize import checksum, pack
from mlrag.index.types import DocumentSource, EmbeddedPassage, StoreCounts
from mlrag.ingest.index_documents import find_changed, index_documents
from mlrag.ingest.migrate import migrate
from mlrag.types import PART_OF, Document, Passage, Span

STAND_IN = Hashed()  # vectors from hashes: a store cannot tell
WORDS = {
    "en": "The river flows through the old town",
    "ta": "நகரம் ஆற்றங்கரையில் உள்ளது",
    "zh": "古城位于河边的平原上",
    "ar": "تقع المدينة القديمة على ضفة النهر",
}
QUESTIONS = {
    "en": ["How long is the Nile?", "Who discovered penicillin?", "tea"],
    "ta": ["டெங்கு கொசு எப்போது கடிக்கும்?", "நைல் ஆற்றின் நீளம் என்ன?", "தேயிலை"],
    "zh": ["尼罗河有多长？", "茶叶起源于哪里？", "登革热"],
    "ar": ["ما طول نهر النيل؟", "متى تلدغ بعوضة حمى الضنك؟", "الشاي"],
}


def document(number, lang="ta", **meta):
    return Document(f"d{number}", lang, f"{WORDS[lang]} {number}.", f"{number}", f"/docs/{lang}/{number}.txt", meta)


def put(store, *documents, embedder=STAND_IN.name):
    def passages(d):
        vector = STAND_IN.encode_document([d.text])[0]
        spans = (Span(0, 3), Span(3, len(d.text)))
        return [
            EmbeddedPassage(
                Passage(f"{d.id}#0", d.id, d.lang, 0, len(d.text), d.text, d.title),
                vector,
                spans,
                np.array([vector, -vector]),
            )
        ]

    store.put([(d, passages(d)) for d in documents], embedder, "hashes")  # fmt: skip


@pytest.mark.parametrize("lang", WORDS)
def test_documents_come_back_as_they_were_put(place, lang):
    store = place.store(lang)
    assert store.hashes() == {} and not store.list_sources() and store.embedder is None
    one, two = document(1, lang, kind="நீர்", year=1867), document(2, lang)
    put(store, one, two)
    assert place.languages() == [lang] and place.holds(lang) and not place.holds("de")
    assert store.document("d1") == one and store.document("d9") is None
    assert store.hashes() == {d.id: d.content_hash for d in (one, two)}
    assert store.counts() == StoreCounts(2, 2, 4)
    assert (store.embedder, store.engine) == (STAND_IN.name, "hashes")
    assert [p.text for p in store.all_passages()] == [one.text, two.text]
    rows, vectors = store.vectors()
    assert store.passages(rows[::-1].tolist())[0].doc_id == "d2"
    assert np.array_equal(vectors, STAND_IN.encode_document([one.text, two.text]).astype(np.float16))
    assert [spans[1].end for spans, _ in store.sentences(rows[::-1].tolist())] == [len(two.text), len(one.text)]
    spans, own = store.sentences(rows.tolist())[0]
    assert spans == [Span(0, 3), Span(3, len(one.text))]
    assert np.allclose(own[0], vectors[0], atol=0.01) and np.allclose(own[0], -own[1])
    assert [(d.id, d.characters, d.passages) for d in store.list_documents(1, 5)] == [("d2", len(two.text), 1)]


def test_a_document_of_many_passages_comes_back_whole_and_in_order(place):
    d, vectors = document(1), np.random.default_rng(0).standard_normal((75, STAND_IN.dim)).astype(np.float32)
    passages = [
        EmbeddedPassage(
            Passage(f"{d.id}#{n}", d.id, d.lang, n, n + 1, f"மழை {n}", d.title),
            vector,
            tuple(Span(m, m + 1) for m in range(n % 4)),
            np.array([vector * m for m in range(n % 4)], np.float32).reshape(-1, STAND_IN.dim),
        )
        for n, vector in enumerate(vectors)
    ]
    store = place.store("ta")
    store.put([(d, passages)], STAND_IN.name, "hashes")
    assert store.pack_documents([d.id]) == [pack(d, passages)]
    assert [p.text for p in store.all_passages()] == [p.passage.text for p in passages]
    last = store.vectors()[0][-1]
    store.delete([d.id])
    store.put([(d, passages)], STAND_IN.name, "hashes")
    rows, _ = store.vectors()
    assert rows[0] > last and len(rows) == 75


def test_a_change_replaces_and_commits_grow(place):
    store = place.store("ta")
    put(store, document(1), document(2))
    first = store.commit
    put(store, Document("d1", "ta", "புதிய உரை."))
    assert store.commit == first + 1 and store.counts() == StoreCounts(2, 2, 4)
    assert store.document("d1").text == "புதிய உரை."
    store.delete(["d1", "nobody"])
    assert store.commit == first + 2 and store.hashes().keys() == {"d2"} and store.counts().sentences == 2
    store.move({"d2": "/elsewhere/2.txt"})
    assert store.list_sources() == [DocumentSource("d2", "/elsewhere/2.txt", "")] and store.commit == first + 2
    assert (
        store.list_sources("/elsewhere") and store.list_sources("/elsewhere/2.txt") and not store.list_sources("/else")
    )


def test_a_failed_put_leaves_nothing(place):
    store = place.store("ta")
    put(store, document(1))
    commit = store.commit
    with pytest.raises((AttributeError, TypeError)):
        store.put([(document(2), []), (None, [])], STAND_IN.name, "hashes")
    assert store.commit == commit and store.hashes().keys() == {"d1"}


def test_another_embedder_is_refused(place):
    store = place.store("ta")
    put(store, document(1))
    with pytest.raises(EmbedderMismatchError):
        put(store, document(2), embedder="another")
    with pytest.raises(EmbedderMismatchError):
        store.check_embedder("another")


def test_filters_compare_as_text(place):
    store, n = place.store("ta"), 0
    metas = [{"year": 7, "kind": ["மழை", "wind"]}, {"year": "7", "open": True}, {"year": 8.5, "inner": {"a": 7}}]
    put(store, *(document(n, **m) for n, m in enumerate(metas)))
    asked = [{"year": ["7"]}, {"kind": ["மழை"]}, {"open": ["true"]}, {"year": ["8.5", "9"]}, {"inner": ["7"]}, {}]
    found = [store.find_matching(f) for f in asked]
    assert found == [{"d0", "d1"}, {"d0"}, {"d1"}, {"d2"}, set(), {"d0", "d1", "d2"}]
    assert store.find_matching({"title": ["1"], "id": ["d1"]}) == {"d1"}
    put(store, document(n + 7, **{PART_OF: "en", "nul": "a\0b"}))
    assert store.list_sources()[-1].part_of == "en" and store.find_matching({"nul": ["ab"]}) == {"d7"}


def test_two_writers_lose_nothing(place):
    store = place.store("ta")
    before = store.commit
    threads = [threading.Thread(target=lambda n=n: put(place.store("ta"), document(n), document(99))) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.hashes().keys() == {"d99", *(f"d{n}" for n in range(6))} and store.commit == before + 6


def test_ingest_searches_deletes_and_starts_anew(place):
    documents = [document(n, lang) for lang in WORDS for n in range(12)]
    assert index_documents(documents, place, STAND_IN)[0].added == 12
    assert not find_changed(documents, place) and len(stores(place)) == 4
    retriever = Retriever(place, STAND_IN)
    for lang in WORDS:
        found = retriever.search(documents[5].title, lang, k=3, exclude=frozenset({"d5"}))
        assert (
            len(found.hits) == 3
            and "d5" not in {h.passage.doc_id for h in found.hits}
            and found.off_topic_baseline is not None
        )
        only = retriever.search("5", lang, only=frozenset({"d4", "d6"}))
        assert {h.passage.doc_id for h in only.hits} == {"d4", "d6"}
        assert retriever.index(lang).size() > 0
    retriever.index("ta").store.delete([f"d{n}" for n in range(12)])
    with pytest.raises(MissingIndexError):
        retriever.search("5", "ta")
    place.clear()
    assert place.languages() == []
    with pytest.raises(MissingIndexError):
        Retriever(place, STAND_IN).search("5", "zh")


def test_an_index_stays_open_until_everything_is_forgotten(place):
    put(place.store("ta"), document(1))
    index = place.index("ta")
    assert place.index("ta") is index
    place.clear()
    with pytest.raises(MissingIndexError):
        place.index("ta")


def test_very_long_words_and_questions_of_nothing(place):
    index_documents([Document("long", "en", "x" * 5000 + " end."), document(1, "en")], place, STAND_IN)
    retriever = Retriever(place, STAND_IN)
    assert retriever.search("x" * 5000, "en").hits[0].lexical > 0
    assert retriever.search("?!", "en").idf == {}


def test_a_filtered_search_sees_all_the_allowed(place):
    """More documents than the pool holds stand nearer; the one that is allowed is found all the same."""
    store = place.store("ta")
    put(store, *(document(n) for n in range(250)))
    found = Retriever(place, STAND_IN).search("1", "ta", only=frozenset({"d249"}))
    assert [h.passage.doc_id for h in found.hits] == ["d249"]


@pytest.mark.parametrize("lang", QUESTIONS)
def test_both_give_the_same_scores(postgres, indexed, embedder, lang):
    """Fused scores within 0.002 of the embedded index's (they differ by float rounding), in the same order."""
    from mlrag.index.postgres.indexes import PostgresIndexes

    embedded, server = FolderIndexes(indexed / "index"), PostgresIndexes(postgres.url)
    copied = Only(embedded, lang)
    server.clear()
    assert [m.lang for m in migrate(copied, server)] == [lang]
    one, two = Retriever(embedded, embedder), Retriever(server, embedder)
    try:
        for question in QUESTIONS[lang]:
            a, b = one.search(question, lang, k=10), two.search(question, lang, k=10)
            assert [h.passage for h in a.hits] == [h.passage for h in b.hits]
            assert_close([(h.score, h.dense) for h in a.hits], [(h.score, h.dense) for h in b.hits], 2e-3)
            assert_close([h.lexical for h in a.hits], [h.lexical for h in b.hits], 1e-4)
            assert_close((a.cosine_mean, a.cosine_std), (b.cosine_mean, b.cosine_std), 1e-6)
            assert a.idf == pytest.approx(b.idf) and a.sentences == b.sentences
            assert_close(a.off_topic_baseline, b.off_topic_baseline, 5e-3)
            for leg in ("lexical", "hybrid"):
                vector = one.embed(question)
                assert one.rank(question, lang, leg, 5, vector) == two.rank(question, lang, leg, 5, vector)
    finally:
        server.close()


def test_migration_resumes_verifies_and_comes_back(postgres, indexed, tmp_path):
    from mlrag.index.postgres.indexes import PostgresIndexes

    source, server = Only(FolderIndexes(indexed / "index"), "ar"), PostgresIndexes(postgres.url)
    server.clear()
    ids = sorted(source.store("ar").hashes())
    server.store("ar").put_packed(source.store("ar").pack_documents(ids[:5]), source.store("ar").embedder, "")
    done = migrate(source, server)
    assert (done[0].copied, done[0].unchanged) == (len(ids) - 5, 5)
    back = FolderIndexes(tmp_path / "back")
    assert migrate(server, back)[0].counts == source.store("ar").counts()
    assert migrate(server, back)[0].copied == 0
    assert checksum(back.store("ar").pack_documents(ids)) == checksum(source.store("ar").pack_documents(ids))
    server.close()


class Only:
    """A place seen through one language."""

    def __init__(self, place, lang):
        self._place, self._lang = place, lang

    def languages(self):
        return [self._lang]

    def __getattr__(self, name):
        return getattr(self._place, name)


def assert_close(a, b, within):
    assert np.allclose(np.array(a), np.array(b), rtol=0, atol=within), (a, b)
