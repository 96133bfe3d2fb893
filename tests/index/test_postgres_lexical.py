"""The lexical leg in PostgreSQL: what it does not read changes nothing, nor do changes, merges and older tables."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.kill_store import Hashed
from mlrag.index import fusion
from mlrag.index.local.indexes import FolderIndexes
from mlrag.index.postgres.postings import blocks, kept_length, postings
from mlrag.index.protocol import SearchQuery
from mlrag.ingest.index_documents import index_documents
from mlrag.types import Document
from tests.support.postgres import PostgresNode, missing

STAND_IN = Hashed()
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
WORDS = {
    "en": "the river of an old town is a harbour and market with bridges for ships",
    "ta": "நகரம் ஆற்றங்கரை பழைய துறைமுகம் சந்தை பாலம் கப்பல் மலை கோயில் வீதி தேயிலை மழை",
    "zh": "古城 河边 平原 港口 市场 桥梁 船只 山脉 寺庙 街道 茶叶 雨水",
    "ar": "المدينة القديمة النهر الميناء السوق الجسر السفن الجبل المعبد الشارع الشاي المطر",
}


def documents(lang, count, seed=0):
    """Words by Zipf's law: few stand nearly everywhere, many hardly anywhere."""
    chance, words = np.random.default_rng(seed), WORDS[lang].split()
    shares = 1 / np.arange(1, len(words) + 1)
    for number in range(count):
        drawn = chance.choice(words, chance.integers(3, 40), p=shares / shares.sum())
        yield Document(f"d{number}", lang, " ".join([*drawn, str(number % 50)]) + ".", f"{number}")


def question(lang):
    words = WORDS[lang].split()
    return SearchQuery(" ".join([words[0], words[1], words[5], words[-1], "7"]), STAND_IN.encode_query(["7"])[0], 5)


@pytest.fixture
def indexes(postgres):
    from mlrag.index.postgres.indexes import PostgresIndexes

    indexes = PostgresIndexes(postgres.url)
    indexes.clear()
    yield indexes
    indexes.close()


def scores(indexes, asked, lang):
    """Names of the best passages and their BM25."""
    from mlrag.index.postgres.search import ranker_statement, values

    query = ranker_statement(asked, "lexical", lang)
    found = indexes._server.read(lambda c: c.execute(query, values(asked, lang)).fetchall())
    return [name for name, _ in found], [score for _, score in found]


def bm25(documents, asked):
    """The formula as it stands in the books, over every passage."""
    counted = [postings(f"{d.title}\n{d.text}") for d in documents]
    average = sum(length for _, length in counted) / len(counted)
    total = np.zeros(len(counted))
    for token in postings(asked.question)[0]:
        frequency = np.array([found[token] for found, _ in counted], float)
        number = (frequency > 0).sum()
        idf = np.log(1 + (len(counted) - number + 0.5) / (number + 0.5))
        lengths = np.array([kept_length(length) for _, length in counted])
        total += idf * 2.2 * frequency / (frequency + 1.2 * (0.25 + 0.75 * lengths / average)) * (number > 0)
    return sorted(total, reverse=True)[: asked.k]


def test_bounds_and_rows_are_packed():
    two = [postings("tea tea town"), postings("tea")]
    found = {b.token: b for b in blocks(iter((7, 9)), two, 4.0)}
    assert [(p >> 32, p & 65535) for p in found["=tea"].packed] == [(7, 2), (9, 1)]
    lengths = [p >> 16 & 65535 for p in found["=tea"].packed]
    weights = [f / (f + 1.2 * (0.25 + 0.75 * n / 4)) for f, n in zip((2, 1), lengths, strict=True)]
    assert found["=tea"].bound == pytest.approx(max(weights)) and found["=town"].packed[0] >> 32 == 7


@pytest.mark.parametrize("lang", WORDS)
def test_skipping_common_tokens_changes_no_score(indexes, lang, monkeypatch):
    from mlrag.index.postgres import search

    held = list(documents(lang, 150))
    for part in range(3):
        index_documents(held[part::3], indexes, STAND_IN)
    asked = question(lang)
    names, whole = scores(indexes, asked, lang)
    assert whole == pytest.approx(bm25(held, asked))
    for read, part in ((1, 0.1), (1, 0.5), (30, 1.0), (100, 0.5), (300, 0.9)):
        monkeypatch.setattr(search, "_READ", read)
        monkeypatch.setattr(search, "_PART", part)
        found, again = scores(indexes, asked, lang)
        assert again == pytest.approx(whole) and found == names


@pytest.mark.parametrize("lang", WORDS)
def test_the_commonest_tokens_of_many_passages_are_left_out_as_in_the_folder(indexes, lang, monkeypatch, tmp_path):
    held, asked, common = list(documents(lang, 150)), question(lang), WORDS[lang].split()[0]
    for place in (indexes, FolderIndexes(tmp_path)):
        index_documents(held, place, STAND_IN)
    only = replace(asked, question=common)
    whole = scores(indexes, asked, lang)
    monkeypatch.setattr(fusion, "LARGE", 150)
    fewer = scores(indexes, asked, lang)
    assert sum(fewer[1]) < sum(whole[1])
    for one in (asked, only):
        found, folder = (place.index(lang).search(one).hits for place in (indexes, FolderIndexes(tmp_path)))
        assert [h.passage.id for h in found] == [h.passage.id for h in folder]
        assert [h.lexical for h in found] == pytest.approx([h.lexical for h in folder], abs=1e-4)
        assert any(h.lexical for h in found)


def test_deleted_passages_are_never_found_and_a_merge_forgets_them(indexes, monkeypatch):
    from mlrag.index.postgres import postings_table, search

    monkeypatch.setattr(search, "_READ", 50)
    held, asked = list(documents("ta", 120)), question("ta")
    index_documents(held[:100], indexes, STAND_IN)
    gone = set(scores(indexes, asked, "ta")[0])
    best = [name.split("#")[0] for name in gone]
    indexes.store("ta").delete(best)
    assert not gone & set(scores(indexes, asked, "ta")[0])
    index_documents(held[100:], indexes, STAND_IN)
    counted = (
        "SELECT (SELECT count(*) FROM mlrag.gone), (SELECT count(*) - count(DISTINCT token) FROM mlrag.postings_ta)"
    )
    assert indexes._server.read(lambda c: c.execute(counted).fetchone())[0] == len(best)
    monkeypatch.setattr(postings_table, "_FEW", 1)
    indexes.index("ta").optimize()
    assert indexes._server.read(lambda c: c.execute(counted).fetchone()) == (0, 0)
    left = [d for d in held if d.id not in best]
    assert scores(indexes, asked, "ta")[1] == pytest.approx(bm25(left, asked))


def test_merges_disturb_no_search(indexes, monkeypatch):
    from mlrag.index.postgres import postings_table

    monkeypatch.setattr(postings_table, "_FEW", 1)
    held, asked, counts, stop = list(documents("zh", 60)), question("zh"), [], threading.Event()
    index_documents(held[:50], indexes, STAND_IN)

    def ask():
        while not stop.is_set():
            counts.append(len(scores(indexes, asked, "zh")[0]))

    asker = threading.Thread(target=ask)
    asker.start()
    for document in held[50:]:
        index_documents([document], indexes, STAND_IN)
    stop.set()
    asker.join()
    assert counts and set(counts) == {5}


def test_a_language_without_tables_has_nothing(postgres, indexes):
    """As where another process has forgotten everything since the index was opened."""
    from mlrag.index.postgres.indexes import PostgresIndexes

    index_documents(list(documents("en", 3)), indexes, STAND_IN)
    index = indexes.index("en")
    another = PostgresIndexes(postgres.url)
    another.clear()
    another.close()
    assert index.search(question("en")).hits == () and not index.rank(question("en"), "lexical")


def test_tables_of_an_older_mlrag_are_brought_up_to_date():
    """Version 1 had a row for each posting."""
    import psycopg

    from mlrag.index.postgres.indexes import PostgresIndexes

    with PostgresNode() as node:
        indexes, asked = PostgresIndexes(node.url), question("ar")
        index_documents(list(documents("ar", 60)), indexes, STAND_IN)
        names, before = scores(indexes, asked, "ar")
        indexes.close()
        with psycopg.connect(node.url) as connection:
            for statement in OLDER:
                connection.execute(statement)
        indexes = PostgresIndexes(node.url)
        again = scores(indexes, asked, "ar")
        assert again[0] == names and again[1] == pytest.approx(before)
        index_documents([Document("new", "ar", asked.question)], indexes, STAND_IN)
        assert "new#0" in scores(indexes, asked, "ar")[0]
        indexes.close()


OLDER = (
    'CREATE TABLE mlrag.posting (lang text NOT NULL, token text COLLATE "C" NOT NULL, passage bigint NOT NULL, '
    "frequency int NOT NULL, length int NOT NULL, PRIMARY KEY (lang, token, passage)) PARTITION BY LIST (lang)",
    "CREATE TABLE mlrag.posting_ar PARTITION OF mlrag.posting FOR VALUES IN ('ar')",
    "INSERT INTO mlrag.posting SELECT 'ar', token, p >> 32, p & 65535, p >> 16 & 65535 "
    "FROM (SELECT token, unnest(packed) AS p FROM mlrag.postings_ar) AS posted",
    "DROP TABLE mlrag.postings_ar, mlrag.gone",
    "ALTER TABLE mlrag.language DROP loose",
    "DELETE FROM mlrag.migration WHERE version > 2",
)
