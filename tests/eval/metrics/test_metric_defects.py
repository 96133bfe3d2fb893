"""Each defect seen in another evaluation tool, as a test of ours. Expected values are worked out by hand."""

import pytest
from sacrebleu.metrics.bleu import BLEU

from eval.judge.claim_metrics import ClaimVerdicts, compute_claim_metrics
from eval.metrics.answers import char3_recall, chrf, containment, exact_match, token_f1
from eval.metrics.bleu import bleu_tokenizer, corpus_bleu
from mlrag.languages import language, languages
from mlrag.text.normalize import normalize_for_scoring
from mlrag.text.tokens import scoring_tokens


@pytest.mark.parametrize(
    ("lang", "text", "tokens"),
    [
        ("bn", "বাংলাদেশের রাজধানী কী?", ["বাংলাদেশের", "রাজধানী", "কী"]),
        ("ne", "नेपालको राजधानी कुन हो?", ["नेपालको", "राजधानी", "कुन", "हो"]),
        ("ta", "இலங்கையின் தலைநகரம் எது?", ["இலங்கையின்", "தலைநகரம்", "எது"]),
        ("si", "ශ්‍රී ලංකාවේ අගනුවර කුමක්ද?", ["ශ්රී", "ලංකාවේ", "අගනුවර", "කුමක්ද"]),
    ],
)
def test_indic_words_are_not_cut_at_their_vowel_signs(lang, text, tokens):
    assert scoring_tokens(text, language(lang)) == tokens


@pytest.mark.parametrize(
    ("lang", "answer", "reference"),
    [
        ("ja", "東京。", "東京"),
        ("ne", "काठमाडौं।", "काठमाडौं"),
        ("ar", "القاهرة؟", "القاهرة"),
        ("fr", "«Paris»", "Paris"),
        ("en", "The Nile", "nile"),
        ("ta", "கொழும்பு", "கொழும்பு"),
        ("si", "ශ්‍රී ලංකාව", "ශ්රී ලංකාව"),
        ("hi", "२०२५", "2025"),
    ],
)
def test_what_is_the_same_to_a_reader_is_the_same_to_every_score(lang, answer, reference):
    pack = language(lang)
    for score in (exact_match, token_f1, containment, char3_recall):
        assert score(answer, [reference], pack) == 1.0, score
    assert chrf(answer, [reference], pack) == pytest.approx(100.0)


def test_the_arabic_article_goes_at_the_start_of_a_word_only():
    arabic = language("ar")
    assert normalize_for_scoring("العالم", arabic) == "عالم"
    assert normalize_for_scoring("المال", arabic) == "مال"
    assert normalize_for_scoring("سؤال", arabic) == "سؤال"


@pytest.mark.parametrize("lang", ["en", "ta", "zh", "ar"])
@pytest.mark.parametrize("score", [exact_match, token_f1, containment, char3_recall, chrf])
def test_an_empty_reference_leaves_the_score_undefined(score, lang):
    assert score("anything", ["", "…"], language(lang)) is None
    assert score("anything", [], language(lang)) is None
    assert score("", ["12"], language(lang)) == 0.0


@pytest.mark.parametrize(
    ("lang", "answer", "reference", "f1"),
    [
        ("en", "New York New York", "New York", 2 / 3),
        ("sw", "maji maji maji", "maji", 1 / 2),
        ("zh", "北京北京", "北京", 2 / 3),
    ],
)
def test_f1_counts_a_repeated_token_each_time(lang, answer, reference, f1):
    assert token_f1(answer, [reference], language(lang)) == pytest.approx(f1)


def test_every_reference_counts_not_only_the_first():
    assert exact_match("two", ["2", "two"], language("en")) == 1.0
    assert token_f1("two", ["2", "two"], language("en")) == 1.0


@pytest.mark.parametrize(
    ("lang", "answer", "reference", "recall"),
    [
        ("en", "the Colombo port", "Colombo", 1.0),  # col olo lom omb mbo
        ("en", "Colomba", "Colombo", 4 / 5),  # all but mbo
        ("en", "banana", "banana banana", 1 / 2),  # ban ana nan ana, twice
        ("en", "an ox", "ox", 1.0),  # a word below three letters counts whole
        ("ta", "நைல்", "நைல் ஆறு", 2 / 3),  # நைல் has four code points and two 3-grams; ஆறு has one
        ("zh", "尼罗河长", "尼罗河", 1.0),
        ("ar", "نيل", "النيل", 1.0),
    ],
)
def test_char_3_gram_recall_is_bergens(lang, answer, reference, recall):
    assert char3_recall(answer, [reference], language(lang)) == pytest.approx(recall)


def test_bleu_has_a_tokenizer_that_fits_every_language():
    found = {code: bleu_tokenizer(pack) for code, pack in languages().items()}
    assert found["zh"] == "zh"
    assert {found[c] for c in ("en", "de", "sw", "tr")} == {"13a"}
    assert {found[c] for c in ("ta", "si", "hi", "ne", "bn", "ar", "ja", "ko")} == {"char"}


def test_chinese_bleu_is_not_zero():
    said, wanted = "尼罗河全长约六千六百五十公里", "尼罗河全长大约六千六百五十公里"
    found = corpus_bleu([said], [[wanted]], language("zh"))
    assert BLEU(effective_order=True).sentence_score(said, [wanted]).score == 0.0
    assert found.score > 50
    assert "tok:zh" in found.signature


@pytest.mark.parametrize(("lang", "short"), [("en", "six thousand kilometres"), ("ta", "நைல் ஆறு"), ("zh", "尼罗河")])
def test_bleu_is_refused_for_short_answers(lang, short):
    assert corpus_bleu([short], [[short]], language(lang)) is None


def test_bleu_is_sacrebleus_on_long_references():
    said = "the white nile flows out of lake victoria in uganda"
    wanted = "the white nile flows out of lake victoria and north"
    assert corpus_bleu([said, "x"], [[wanted], ["short"]], language("sw")).n == 1
    expected = BLEU().corpus_score([said], [[wanted]]).score
    assert corpus_bleu([said], [[wanted]], language("sw")).score == pytest.approx(expected)


def test_an_abstention_without_claims_is_not_faithful():
    """DeepEval gives 1, RAGAS a hard 0; there is nothing to be faithful with."""
    assert compute_claim_metrics(ClaimVerdicts([], [False], [[]], [[True]])).faithfulness is None
