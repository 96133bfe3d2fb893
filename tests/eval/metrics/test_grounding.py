"""The layers of hallucination: what is caught, and what is not claimed."""

from decimal import Decimal

import pytest

from eval.metrics.citations import citation_coverage, citation_precision, cited_passages
from eval.metrics.grounding import (
    names_absent,
    numbers_absent,
    readings,
    support,
    unsupported_proportion,
    words_unverified,
)
from eval.metrics.outcome import Outcome, outcome
from eval.metrics.reply_language import ReplyLanguage, reply_language
from eval.types import CitedSpan, Prediction
from mlrag.languages import language


@pytest.mark.parametrize(
    ("run", "values"),
    [
        ("1,200", {("1200",), ("1.200",)}),
        ("13.5", {("13.5",)}),
        ("186,101", {("186101",), ("186.101",)}),
        ("1,86,101", {("186101",), ("1", "86", "101")}),
        ("9.9.2025", {("9", "9", "2025")}),
        ("6 650", {("6650",), ("6", "650")}),
        ("1.234,5", {("1234.5",)}),
    ],
)
def test_a_number_is_read_in_every_way_it_can_be(run, values):
    found = set(readings(run))
    assert found >= {frozenset(map(Decimal, v)) for v in values}


@pytest.mark.parametrize(
    ("answer", "passage", "absent"),
    [
        ("It is 6,650 km long [1].", "The Nile measures 6650 kilometres.", ()),
        ("১৮৬,১০১ জন", "186,101", ()),
        ("طوله ٦٦٥٠ كم", "6,650 كم", ()),
        ("நீளம் 6,650 கி.மீ.", "நீளம் 6,651 கி.மீ.", ("6,650",)),
        ("长6650公里。", "长6651公里。", ("6650",)),
        ("13,5 g", "13.5 g", ()),
        ("135 g", "13.5 g", ("135",)),
        ("Am 9.9.2025", "9 September 2025", ()),
    ],
)
def test_numbers_are_held_against_the_cited_passages(answer, passage, absent):
    assert numbers_absent(answer, [passage]).absent == absent


def test_an_answer_without_numbers_is_neither_clean_nor_hallucinated():
    assert numbers_absent("The Blue Nile [1].", ["x"]).any_absent is None


@pytest.mark.parametrize(
    ("lang", "answer", "passage", "absent"),
    [
        ("en", "The tea was grown by James Taylor.", "James Taylor grew tea.", ()),
        ("en", "The tea was grown by James Watt.", "James Taylor grew tea.", ("Watt",)),
        ("tr", "Bunu Mısır'da yaptı.", "Mısır sular altındaydı.", ()),
        ("ta", "அது Paracetamol ஆகும்", "பாராசிட்டமால்", ("Paracetamol",)),
        ("zh", "由WHO宣布", "WHO宣布", ()),
    ],
)
def test_names_are_checked_where_they_can_be_told(lang, answer, passage, absent):
    assert names_absent(answer, [passage], language(lang)).absent == absent


@pytest.mark.parametrize("lang", ["de", "si", "zh", "ar"])
def test_where_names_cannot_be_told_nothing_is_claimed(lang):
    answer = {"de": "Der Fluss entspringt im Gebirge.", "si": "නයිල් ගඟ", "zh": "尼罗河很长。", "ar": "نهر النيل"}[lang]
    assert names_absent(answer, [""], language(lang)).any_absent is None
    assert words_unverified(answer, [""], language(lang)).any_absent is True
    assert words_unverified(answer, [answer], language(lang)).any_absent is False
    assert words_unverified("Watt", [""], language("en")) is None


@pytest.mark.parametrize(
    ("lang", "passage", "strange"),
    [
        (
            "en",
            "Two rivers form it. The White Nile flows out of Lake Victoria.",
            "Cats sleep through most of every day.",
        ),
        ("ta", "நைல் நதி ஏறத்தாழ 6,650 கிலோமீட்டர் நீளமானது.", "பூனைகள் பகலில் பெரும்பாலும் உறங்குகின்றன."),
        ("zh", "尼罗河全长约6650公里，流经十一个国家。", "猫一天大部分时间都在睡觉休息。"),
        ("ar", "يبلغ طول النيل نحو 6650 كيلومترا.", "القطط تنام معظم ساعات اليوم."),
    ],
)
def test_a_sentence_from_nowhere_is_unsupported(lang, passage, strange):
    pack = language(lang)
    assert support(passage, [passage], pack) == 1.0
    assert unsupported_proportion(passage, [passage], pack) == 0.0
    assert unsupported_proportion(f"{passage} {strange}", [passage], pack) in (1 / 2, 1 / 3)
    assert unsupported_proportion("12", [passage], pack) is None
    assert unsupported_proportion("", [passage], pack) is None


def test_citations_are_precise_and_cover_by_hand():
    text = "The Nile is long. It floods."
    cited = (CitedSpan("a", 0, 0, 17), CitedSpan("b", 1, 0, 17))
    assert citation_precision(cited, ["a"]) == 1 / 2
    assert citation_precision((), ["a"]) is None
    assert citation_precision(cited, []) is None
    assert citation_coverage(text, cited) == 1 / 2
    assert citation_coverage(text, ()) == 0.0
    assert citation_coverage("", ()) is None
    assert cited_passages(Prediction("x", "v", passages=("p", "q"), citations=(cited[1],))) == ("q",)
    assert cited_passages(Prediction("x", "v", passages=("p", "q"), citations=())) == ("p", "q")


@pytest.mark.parametrize(
    ("lang", "text", "flag", "expected"),
    [
        ("ta", "இதற்கான பதில் ஆவணங்களில் இல்லை", False, Outcome.ABSTAINED),
        ("zh", "文档中没有提到。[1]", False, Outcome.ABSTAINED),
        ("en", "The documents do not say. It is 5.", False, Outcome.ANSWERED),
        ("en", "", False, Outcome.INVALID),
        ("en", "… [1] [2]", False, Outcome.INVALID),
        ("en", "", True, Outcome.ABSTAINED),
        ("ar", "٥", False, Outcome.ANSWERED),
    ],
)
def test_the_bench_reads_abstentions_itself(lang, text, flag, expected):
    assert outcome(Prediction("x", "v", text, abstained=flag), language(lang)) is expected


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("si", "මෙම ගංගාව අප්‍රිකාවේ ඇති ඉතා දිගු ගංගාවකි.", ReplyLanguage.ASKED),
        ("en", "මෙම ගංගාව අප්‍රිකාවේ ඇති ඉතා දිගු ගංගාවකි.", ReplyLanguage.OTHER),
        ("ta", "මෙම ගංගාව අප්‍රිකාවේ ඇති ඉතා දිගු ගංගාවකි.", ReplyLanguage.OTHER),
        ("si", "This is an English sentence about a river.", ReplyLanguage.ENGLISH),
        ("en", "This is an English sentence about a river.", ReplyLanguage.ASKED),
        ("de", "This is an English sentence about a river.", ReplyLanguage.ENGLISH),
        ("zh", "截至2021年12月,香港的常規戲院共64間,合共提供302個銀幕,約44,000個座位。", ReplyLanguage.ASKED),
        ("zh", "成年孟加拉虎的皮毛以棕黄及白色为底,加上黑色的条纹,腹部为白色或淡黄色。", ReplyLanguage.ASKED),
        ("zh", "東京タワーの高さは333メートルで、1958年に完成しました。", ReplyLanguage.OTHER),
        ("ja", "截至2021年12月,香港的常規戲院共64間,合共提供302個銀幕,約44,000個座位。", ReplyLanguage.OTHER),
        ("ja", "東京タワーの高さは333メートルで、1958年に完成しました。", ReplyLanguage.ASKED),
        ("ta", "ஆம் [1]", ReplyLanguage.SKIPPED),
        ("si", "එය Hemileia vastatrix නම් දිලීරයයි [1].", ReplyLanguage.SKIPPED),
    ],
)
def test_reply_language_is_scored_for_sinhala_too(lang, text, expected):
    """langdetect raises on Sinhala; other tools count that as "in the language asked for"."""
    assert reply_language(text, language(lang)) is expected
