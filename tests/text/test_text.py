"""Text functions: a spaced, an unspaced, an Indic and a right-to-left script each."""

import unicodedata

import pytest

from mlrag.cli.check_language import check_pack
from mlrag.documents.chunking import chunk
from mlrag.languages import language, languages
from mlrag.text.detect import detect, has_letter_of
from mlrag.text.normalize import clean, fold_digits, normalize_for_scoring
from mlrag.text.sentences import sentence_spans
from mlrag.text.tokens import numbers, tokens
from mlrag.types import Document


@pytest.mark.parametrize("code", list(languages()))
def test_every_pack_keeps_the_rules(code):
    assert [c for c in check_pack(code) if c.problem] == []


@pytest.mark.parametrize(
    ("lang", "left", "right"),
    [
        ("en", "The Nile.", "nile"),
        ("ar", "القاهرة؟", "قاهره"),
        ("hi", "नील नदी।", "नील नदी"),
        ("zh", "東京。", "東京"),
        ("ta", "௧௨ ஆறுகள்", "12 ஆறுகள்"),
        ("si", "ශ්\u200dරී ලංකා", "ශ්රී ලංකා"),
        ("fr", "«\u00a0L’eau\u00a0»", "eau"),
        ("en", "1,234.5 m", "1234.5 m"),
        ("en", "-5 °C", "-5 c"),
    ],
)
def test_scoring_folds_what_readers_take_for_the_same(lang, left, right):
    assert normalize_for_scoring(left, language(lang)) == right


def test_digits_of_every_script_fold():
    assert fold_digits("௧௨ ٣٤ ५६ ৭৮ 90") == "12 34 56 78 90"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,86,101 and 13,5 and ٢٤٥", {"186101", "13.5", "245"}),
        ("13,5 g, 13.50 g", {"13.5"}),
        ("1.234,5 = 1,234.5 = 1 234,5 = 1’234.5", {"1234.5"}),
        ("१३,५ ग्राम और १२,३४,५६७ लोग", {"13.5", "1234567"}),
        ("௧,௨௦௦ பேர், 8,848.86 மீ", {"1200", "8848.86"}),
        ("١٬٢٠٠٫٥ و ١٣٫٥ و ۱۲۰", {"1200.5", "13.5", "120"}),
        ("約13.5万人、1,200個、１２", {"13.5", "1200", "12"}),
        ("0,125 and 0.125", {"0.125"}),
        ("on 25.05.2018, 007", {"25", "5", "2018", "7"}),
        ("1,2,3 and 12,345,67", {"1", "2", "3", "12", "345", "67"}),
        ("in 2019 186 101 people", {"2019", "186101"}),
        ("no number", set()),
    ],
)
def test_numbers_are_the_same_however_they_are_written(text, found):
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "whole"),
    [("இலங்கையின் தலைநகரம்", "=இலங்கையின்"), ("නගරය", "=නගරය"), ("বাংলাদেশ", "=বাংলাদেশ"), ("نهر النيل", "=النيل")],
)
def test_tokens_keep_combining_marks(text, whole):
    assert whole in tokens(text)


def test_unspaced_scripts_give_bigrams():
    assert tokens("尼罗河 Nile")[:2] == ["尼罗", "罗河"]
    assert "금나" in tokens("금나라는")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The flow is 3.14 m. It rose!", 2),
        ("यह नदी है। यह लंबी है॥", 2),
        ("这是河。很长！", 2),
        ("هل هذا نهر؟ نعم۔ طويل.", 3),
        ("Dr. J. R. Silva came. He left.", 2),
        ("එය ලස්සන ය. එය උස ය.", 2),
        ("எஸ். பாலன் வந்தார். பின் போனார்.", 2),
        ("Am 3. Oktober 1990 kam die Einheit. Sie hielt.", 2),
        ("", 0),
    ],
)
def test_sentences_end_where_readers_end_them(text, count):
    spans = sentence_spans(text)
    assert len(spans) == count
    assert all(text[s.start : s.end].strip() == text[s.start : s.end] for s in spans)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ශ්‍රී ලංකාව", "si"),
        ("நீர்", "ta"),
        ("Gemma 4 என்ன செய்யும்?", "ta"),
        ("What does the word தமிழ் mean in English?", "en"),
        ("東京はどこですか", "ja"),
        ("北京在哪里？", "zh"),
        ("Где находится библиотека?", "und"),
        ("12345 !?", "und"),
        ("", "und"),
    ],
)
def test_detection_never_guesses(text, code):
    assert detect(text) == code


@pytest.mark.parametrize("code", ["en", "zh", "si", "ar"])
def test_passages_are_exact_spans_that_cover_every_sentence(code):
    pack = language(code)
    text = clean(" ".join(pack.sample_sentences * 30))
    passages = chunk(Document("d", code, text), pack)
    assert all(text[p.start : p.end] == p.text for p in passages)
    assert all(len(p.text) <= pack.passage_chars for p in passages)
    assert sum(len(sentence_spans(p.text)) for p in passages) == len(sentence_spans(text))


def test_a_long_word_is_cut_between_graphemes():
    text = "ක්\u200dෂී" * 400
    passages = chunk(Document("d", "si", text), language("si"), 100)
    assert "".join(p.text for p in passages) == text
    assert all(unicodedata.category(p.text[0])[0] != "M" for p in passages)


@pytest.mark.parametrize(
    ("text", "code", "readable"),
    [
        ("How long is the Nile?", "de", True),
        ("How long is the Nile?", "ta", False),
        ("நைல் நதி எவ்வளவு நீளம்?", "ta", True),
        ("Samsung நிறுவனம்", "ta", True),
        ("Wie heißt der Nil auf 日本語?", "ja", True),
        ("What is NASA?", "ja", False),
        ("ما طول نهر النيل؟", "ar", True),
        ("ما طول نهر النيل؟", "si", False),
        ("1969?", "si", True),
    ],
)
def test_a_question_is_read_by_its_letters(text, code, readable):
    assert has_letter_of(text, language(code)) is readable
