"""A reply is read as it was meant: quotes, a line of dashes, the answer; and each quote is proved."""

import pytest

from mlrag.answering.citations import attribute, cite, locate
from mlrag.answering.grounding import names_without_source, unsupported_sentences
from mlrag.errors import GeneratorError
from mlrag.generation.prompts import lost_in_the_middle, mark_lines
from mlrag.generation.replies import answer_so_far, is_abstention, parse, refuse_loops
from mlrag.languages import language
from mlrag.text.special_tokens import escape_special_tokens
from mlrag.types import Hit, Passage, Quote, Warning

SOURCES = {
    "en": "The Nile is 6,650 km long. It ends in the Mediterranean Sea.",
    "ta": "நைல் ஆற்றின் நீளம் 6,650 கிலோமீட்டர். அது மத்தியதரைக் கடலில் கலக்கிறது.",
    "zh": "尼罗河长6650公里。它注入地中海。",
    "ar": "يبلغ طول نهر النيل 6650 كيلومترًا. ويصب في البحر المتوسط.",
    "si": "නයිල් ගඟේ දිග කිලෝමීටර 6,650කි. එය මධ්‍යධරණී මුහුදට වැටේ.",
}


def hit(text, lang):
    return Hit(Passage("p", "d", lang, 0, len(text), text), 1.0, 0.9, 5.0)


def first(code):
    text = SOURCES[code]
    return text[: next(i for i, c in enumerate(text) if c in ".。" and not text[i + 1 : i + 2].isdigit()) + 1]


@pytest.mark.parametrize("code", SOURCES)
@pytest.mark.parametrize("marks", ['"{}"', "“{}”", "«{}»", "「{}」"])
def test_quotes_and_answer_are_told_apart(code, marks):
    sentence = first(code)
    parsed = parse(f"[1] {marks.format(sentence)}\n---\n{sentence} [1]")
    assert parsed.quotes == (Quote(1, sentence),)
    assert parsed.answer == f"{sentence} [1]"


def test_a_reply_without_steps_is_all_answer():
    assert parse("It is long. [1]").answer == "It is long. [1]"
    assert parse('[1] "It is long."\nIt is long. [1]').answer == "It is long. [1]"
    assert answer_so_far('[1] "It is') == ""
    assert answer_so_far('[1] "It is"\n---\nSo lo') == "\nSo lo"


@pytest.mark.parametrize("code", SOURCES)
def test_a_verified_quote_is_the_citation(code):
    text, sentence = SOURCES[code], first(code)
    answer, citations, warnings = cite(f"{sentence} [1]", (hit(text, code),), (Quote(1, sentence.upper()),))
    assert answer == sentence
    assert text[citations[0].start : citations[0].end] == citations[0].quote == sentence
    assert warnings == ()


@pytest.mark.parametrize("code", SOURCES)
@pytest.mark.parametrize("marked", ["{} [1][2]", "{} [1, 2]", "[1] {} [2]", "[1][2] {}", "{} [1] [2]"])
def test_marks_side_by_side_support_the_same_words(code, marked):
    sentence = first(code)
    answer, citations, _ = cite(marked.format(sentence), (hit(SOURCES[code], code),) * 2)
    assert answer == sentence
    assert [answer[c.answer_start : c.answer_end].strip() for c in citations] == [sentence] * 2
    assert {c.quote for c in citations} == {sentence}


@pytest.mark.parametrize("code", SOURCES)
def test_an_invented_quote_cites_nothing(code):
    _, _, warnings = cite("x [1]", (hit(SOURCES[code], code),), (Quote(1, SOURCES[code][4:20] + "xyz"),))
    assert warnings == (Warning("quote_not_found", "1"),)


def test_a_quote_is_found_though_joiners_width_and_marks_differ():
    assert locate("ශ්රී ලංකා", "මෙය ශ්‍රී ලංකා ය.") is not None
    assert locate("ＡＢＣ １２", "see abc 12!") is not None
    assert locate("a ‹|turn› b", "so a <|turn> b") is not None
    assert locate("…", "anything") is None


@pytest.mark.parametrize("code", SOURCES)
def test_a_reply_without_marks_is_attributed_where_it_is_supported(code):
    sentence = first(code)
    found = attribute(sentence, (hit(SOURCES[code], code),), (), 0.5)
    assert [c.quote for c in found] == [sentence]
    assert attribute(first("ta" if code != "ta" else "zh"), (hit(SOURCES[code], code),), (), 0.5) == ()


@pytest.mark.parametrize("code", ["en", "ta", "zh", "ar", "si"])
def test_the_abstention_is_known_with_or_without_its_full_stop(code):
    sentence = language(code).abstention
    assert is_abstention(f" {sentence.rstrip('.。')} ", sentence)
    assert not is_abstention(f"{sentence} {first(code)}", sentence)


@pytest.mark.parametrize("unit", ["la la ", "再见", "ஆம் ", "نعم "])
def test_an_endless_repetition_is_refused(unit):
    refuse_loops(SOURCES["en"] + "......", "m")
    with pytest.raises(GeneratorError, match="repeats itself"):
        refuse_loops("So: " + unit * 30, "m")


def test_names_and_sentences_without_source_are_seen():
    source = [SOURCES["en"]]
    assert names_without_source("It ends in the Mediterranean near Rosetta.", source, language("en")) == ["Rosetta"]
    assert names_without_source("Il se jette dans la Mediterranean.", source, language("fr")) == []
    assert unsupported_sentences(SOURCES["en"], source) == []
    assert unsupported_sentences("Crocodiles sleep on warm banks.", source) == ["Crocodiles sleep on warm banks."]


def test_passages_are_marked_line_by_line_and_best_ones_stand_at_the_ends():
    assert mark_lines("a ¦ b\nobey <|turn>") == "¦ a | b\n¦ obey ‹|turn›"
    assert lost_in_the_middle(5) == [0, 2, 4, 3, 1]
    assert "<" not in escape_special_tokens("<start_of_turn>[INST]<|think|></s>")
