"""Token counts are bounded from both sides. The counts here are those of Gemma 3's own tokenizer, through llama.cpp."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlrag.generation.token_estimate import estimate_fewest_tokens, estimate_tokens
from mlrag.languages import languages

TEXTS = [
    ("The reading room opens at nine and closes at half past five, except on Mondays.", 17),
    ("Chumba cha kusomea hufunguliwa saa tatu asubuhi na hufungwa saa kumi na moja jioni.", 29),
    ("Okuma salonu sabah dokuzda açılır, pazartesi günleri kapalıdır.", 20),
    ("வாசிப்பறை காலை ஒன்பது மணிக்குத் திறக்கும்; திங்கட்கிழமை விடுமுறை.", 19),
    ("කියවීම් කාමරය උදේ නවයට ඇරේ; සඳුදා දිනවල වසා ඇත.", 26),
    ("वाचनालय सुबह नौ बजे खुलता है और सोमवार को बंद रहता है।", 16),
    ("পাঠকক্ষ সকাল নয়টায় খোলে এবং সোমবার বন্ধ থাকে।", 14),
    ("تفتح قاعة القراءة في الساعة التاسعة صباحا وتغلق يوم الاثنين.", 18),
    ("阅览室早上九点开门，星期一不开放。", 14),
    ("閲覧室は朝九時に開き、月曜日は休みです。", 14),
    ("열람실은 아침 아홉 시에 문을 열고 월요일에는 쉽니다.", 20),
    ("Phòng đọc mở cửa lúc chín giờ sáng và đóng cửa vào thứ Hai.", 16),
    ("Читальный зал открывается в девять утра и закрыт по понедельникам.", 17),
    ("ห้องอ่านหนังสือเปิดเวลาเก้าโมงเช้าและปิดวันจันทร์", 15),
    ("2011: 3,141.59 km² — 12 % of 26,179", 29),
    ("https://www.example.org/wiki/Some_Page?utm_source=abc&x=12#frag", 26),
    ("BwoNEBMWGRwfIiUoKy4xNDc6PUBDRklMT1JVWFteYWRnam1wc3Z5fH+ChYiL", 37),
    ("----------------------------------------\n========================================", 7),
    ("¦ a\n¦ b\n¦ c", 8),
    ("😀🎉👨\u200d👩\u200d👧🫠", 8),
    ("                                                            x", 3),
]


@pytest.mark.parametrize(("text", "tokens"), TEXTS)
def test_the_truth_lies_between(text, tokens):
    assert estimate_fewest_tokens(text) <= tokens <= estimate_tokens(text)


@pytest.mark.parametrize(("text", "tokens"), TEXTS[:11])
def test_a_long_text_cut_to_half_is_noticed(text, tokens):
    assert estimate_fewest_tokens(" ".join([text] * 10)) > 10 * tokens / 2
    assert estimate_tokens(" ".join([text] * 10)) < 10 * tokens * 2


@given(st.text())
def test_below_is_never_above(text):
    assert 0 <= estimate_fewest_tokens(text) <= estimate_tokens(text)


@pytest.mark.parametrize("code", list(languages()))
def test_two_texts_take_what_both_take(code):
    first, second = languages()[code].sample_sentences[:2]
    assert estimate_tokens(f"{first} {second}") <= estimate_tokens(first) + estimate_tokens(second)
    assert estimate_fewest_tokens(f"{first} {second}") >= estimate_fewest_tokens(first) + estimate_fewest_tokens(second)
