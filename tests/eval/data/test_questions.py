"""Our documents and questions keep their own rules."""

import pytest

from eval.datasets.own import CALIBRATION_TOPICS, QUESTIONS, own_questions, read_jsonl, sample_examples
from eval.types import Example
from mlrag.documents.readers import read_documents
from mlrag.languages import language, languages
from mlrag.text.normalize import normalize_for_scoring
from tests.conftest import CORPORA

TOPICS = sorted({p.stem for p in (CORPORA / "en").glob("*.md")})
NEAR_MISS_FIELDS = {"lure", "trap"}


def texts(code):
    pack = language(code)
    return {d.id: normalize_for_scoring(d.text, pack) for d in read_documents([CORPORA / code], code)}


def flat(text, code):
    """Unspaced scripts are compared without blanks, which normalising puts where punctuation was."""
    return text if language(code).spaced else text.replace(" ", "")


def test_there_are_twenty_four_topics_and_the_split_is_by_document():
    assert len(TOPICS) == 24
    assert set(TOPICS) > CALIBRATION_TOPICS
    assert len(CALIBRATION_TOPICS) == 6


@pytest.mark.parametrize("code", list(languages()))
def test_documents_are_the_same_topics_with_their_sources(code):
    documents = list(read_documents([CORPORA / code], code))
    assert sorted(d.id for d in documents) == [f"{code}-{t}" for t in TOPICS]
    assert all(d.lang == code and d.title and d.meta["sources"] and d.meta["topic"] for d in documents)


@pytest.mark.parametrize("code", list(languages()))
def test_questions_keep_the_plan(code):
    rows = list(read_jsonl(QUESTIONS / f"{code}.jsonl"))
    assert sorted(r["id"] for r in rows) == sorted(f"{t}-{n}" for t in TOPICS for n in range(1, 6))
    held = texts(code)
    pack = language(code)
    for row in rows:
        topic, number = row["id"].rsplit("-", 1)
        document = flat(held[f"{code}-{topic}"], code)
        assert row["kind"] == ("fact", "fact", "two_sentences", "near_miss", "near_miss")[int(number) - 1]
        assert row["answerable"] == (row["kind"] != "near_miss")
        if row["answerable"]:
            assert row["gold_docs"] == [f"{code}-{topic}"]
            for answer in row["answers"]:
                assert flat(normalize_for_scoring(answer, pack), code) in document, (row["id"], answer)
        else:
            assert set(row) >= NEAR_MISS_FIELDS
            assert not (row["gold_docs"] or row["answers"])
            assert flat(normalize_for_scoring(row["lure"], pack), code) in document, (row["id"], row["lure"])
            for trap in row["trap"]:
                assert f" {normalize_for_scoring(trap, pack)} " not in f" {held[f'{code}-{topic}']} ", (row["id"], trap)


@pytest.mark.parametrize("code", list(languages()))
def test_questions_do_not_copy_their_document(code):
    pack, held = language(code), texts(code)
    size = 5 if pack.spaced else 10
    for e in own_questions(code) + own_questions(code, "calibration"):
        words = (
            normalize_for_scoring(e.question, pack).split()
            if pack.spaced
            else list(flat(normalize_for_scoring(e.question, pack), code))
        )
        glue = " " if pack.spaced else ""
        document = flat(held[f"{code}-{e.cluster}"], code)
        runs = [glue.join(words[i : i + size]) for i in range(len(words) - size + 1)]
        assert not [r for r in runs if r in document], e.id


def test_a_limit_is_spread_over_the_set_and_the_same_in_every_language():
    whole = {lang: own_questions(lang) for lang in ("en", "ta", "zh", "ar", "si")}
    few = {lang: sample_examples(found, 20) for lang, found in whole.items()}
    assert {tuple(e.id for e in found) for found in few.values()} == {tuple(e.id for e in few["en"])}
    silent = sum(not e.answerable for e in whole["en"]) / len(whole["en"])
    assert sum(not e.answerable for e in few["en"]) == round(20 * silent)
    assert len({e.cluster for e in few["en"]}) > 8
    answerable = {e.id for e in few["en"] if e.answerable}
    assert answerable <= {e.id for e in sample_examples(whole["en"], 40)}
    assert sample_examples(whole["en"], None) == sample_examples(whole["en"], 10**6) == whole["en"]
    assert [len(sample_examples(whole["en"], n)) for n in (1, 2, 3)] == [1, 2, 3]


def test_a_limit_takes_the_same_items_of_a_parallel_set():
    ids = [f"set-{n}" for n in range(50)]
    sets = {
        lang: [Example(i.replace("set", f"set-{lang}"), lang, "?", True) for i in ids] for lang in ("en", "bn", "ko")
    }
    kept = {lang: [e.id.replace(f"-{lang}-", "-") for e in sample_examples(found, 7)] for lang, found in sets.items()}
    assert kept["en"] == kept["bn"] == kept["ko"]
