"""Every public format is read into the same values, by what it holds; what is malformed names its file and row."""

import gzip
import json
from pathlib import Path

import pytest

from eval.datasets import FORMATS, detect_format, index_folder, open_dataset
from eval.datasets.codes import FLORES, language_of, pack_code
from eval.datasets.hub import fetch
from mlrag.errors import CorpusFormatError, UnknownLanguageError
from mlrag.languages import languages

LAKE = {
    "en": ("The lake is 40 metres deep.", "How deep is the lake?", "40 metres"),
    "ta": ("ஏரியின் ஆழம் 40 மீட்டர்.", "ஏரி எவ்வளவு ஆழம்?", "40 மீட்டர்"),
    "hi": ("झील 40 मीटर गहरी है।", "झील कितनी गहरी है?", "40 मीटर"),
    "zh": ("这个湖深40米。", "这个湖有多深？", "40米"),
    "ar": ("يبلغ عمق البحيرة 40 مترًا.", "كم يبلغ عمق البحيرة؟", "40 مترًا"),
}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


def squad(path, lang, **more):
    context, question, answer = LAKE[lang]
    asked = [
        {"id": "56a", "question": question, "answers": [{"text": answer, "answer_start": context.index(answer)}] * 2},
        {"id": "56b", "question": question, "answers": [], "is_impossible": True, "plausible_answers": []},
    ]
    article = {"title": "The_Lake", "paragraphs": [{"context": context, "qas": asked}]}
    path.write_text(json.dumps({"version": "1.1", "data": [article]} | more, ensure_ascii=False), encoding="utf-8")
    return path


def belebele(lang, number=1, **changed):
    context, question, answer = LAKE[lang]
    dialect = next(name for name, code in FLORES.items() if code == lang)
    options = {"mc_answer1": "1", "mc_answer2": "2", "mc_answer3": answer, "mc_answer4": "4"}
    row = {"link": "https://example.org/lake", "question_number": number, "flores_passage": context}
    return row | options | {"question": question, "correct_answer_num": "3", "dialect": dialect, "ds": "x"} | changed


@pytest.mark.parametrize("lang", LAKE)
def test_squad_files_give_passages_answers_and_what_cannot_be_answered(tmp_path, lang):
    suite = open_dataset(squad(tmp_path / f"xquad.{lang}.json", lang), None, tmp_path)
    context, question, answer = LAKE[lang]
    asked, impossible = suite.questions[lang]
    document = suite.documents[lang][0]
    assert (asked.question, asked.answers, asked.gold_docs) == (question, (answer,), (document.id,))
    assert (document.text, document.title) == (context, "The Lake")
    assert (impossible.answerable, impossible.gap, impossible.gold_docs) == (False, "near_miss", ())
    assert asked.cluster == impossible.cluster == "56a"
    assert suite.remove_article(asked).hidden == {document.id}


def test_squad_rows_of_the_hub_and_tydi_say_their_language_themselves(tmp_path):
    def row(id):
        return {"id": id, "title": "", "context": "Ziwa lina kina cha mita 40.", "question": "Kina gani?"}

    rows = [row(id) | {"answers": {"text": ["mita 40"], "answer_start": [19]}} for id in ("swahili-1-0", "telugu-2-0")]
    suite = open_dataset(write(tmp_path / "gold" / "goldp.jsonl", rows), None, tmp_path)
    assert suite.languages == ["sw"]
    assert [e.answers for e in suite.questions["sw"]] == [("mita 40",)]
    nameless = write(tmp_path / "gold" / "rows.jsonl", [rows[0] | {"id": "5"}])
    with pytest.raises(CorpusFormatError, match=r"rows\.jsonl: row 1 has no language"):
        open_dataset(nameless, None, tmp_path)
    assert open_dataset(nameless, ["sw"], tmp_path).languages == ["sw"]


def test_questions_in_one_language_on_passages_in_another_are_refused(tmp_path):
    path = squad(tmp_path / "test-context-hi-question-en.json", "hi")
    with pytest.raises(CorpusFormatError, match="test-context-en-question-en"):
        open_dataset(path, None, tmp_path)


def test_belebele_has_options_and_one_cluster_a_passage_in_every_language(tmp_path):
    rows = [belebele(lang, number) for lang in LAKE for number in (1, 2)] + [belebele("en", dialect="xho_Latn")]
    suite = open_dataset(write(tmp_path / "all.jsonl", rows), None, tmp_path)
    assert set(suite.languages) == set(LAKE)
    for lang, (context, _, answer) in LAKE.items():
        first, second = suite.questions[lang]
        assert (first.options[first.gold_option], first.answers) == (answer, (answer,))
        assert [d.text for d in suite.documents[lang]] == [context]
        assert first.cluster == second.cluster == "https://example.org/lake"
        assert first.id != second.id
    assert suite.card.licence == "CC BY-SA 4.0"


def test_mkqa_is_questions_alone_and_skips_what_has_no_short_answer(tmp_path):
    def answer(text, kind="entity"):
        return [{"type": kind, "text": text, "aliases": [f"{text}!"], "entity": "Q1"}]

    row = {
        "example_id": 7,
        "query": "who",
        "queries": {"en": "who", "zh_cn": "是谁", "ar": "من", "xx": "?", "de": "wer"},
        "answers": {
            "en": answer("Ann"),
            "zh_cn": answer("安"),
            "ar": answer("نعم", 7),  # the hub's number for "binary"
            "de": [{"type": "unanswerable", "text": None}],
        },
    }
    suite = open_dataset(write(tmp_path / "mkqa.jsonl", [row]), None, tmp_path)
    assert suite.documents == {}
    assert {lang: [e.answers for e in found] for lang, found in suite.questions.items()} == {
        "en": [("Ann", "Ann!")],
        "zh": [("安", "安!")],
    }
    assert {e.cluster for found in suite.questions.values() for e in found} == {"7"}


def test_truthfulqa_shuffles_the_same_way_each_time_and_says_what_it_is_not(tmp_path):
    path = tmp_path / "TruthfulQA.csv"
    head = "Type,Category,Question,Best Answer,Best Incorrect Answer,Correct Answers,Incorrect Answers,Source\n"
    rows = "".join(f'a,b,"What, {n}?",Nothing,Luck,Nothing; None,Luck; Bad luck; Fate,x\n' for n in range(12))
    path.write_text(head + rows, encoding="utf-8")
    first, again = open_dataset(path, None, tmp_path), open_dataset(path, None, tmp_path)
    assert first.questions == again.questions
    assert all(e.options[e.gold_option] == "Nothing" and len(e.options) == 4 for e in first.questions["en"])
    assert len({e.gold_option for e in first.questions["en"]}) > 1
    assert "not the published MC1" in first.card.name
    hub = {"question": "What?", "mc1_targets": {"choices": ["Nothing", "Luck"], "labels": [1, 0]}}
    example = open_dataset(write(tmp_path / "mc.jsonl", [hub]), None, tmp_path).questions["en"][0]
    assert example.options[example.gold_option] == "Nothing"


@pytest.mark.parametrize("place", ["ta/test.jsonl", "mmlu.ta.csv", "Tamil/test-00000.json"])
def test_global_mmlu_has_its_language_from_its_name(tmp_path, place):
    row = {"sample_id": "law/test/0", "subject": "law", "question": LAKE["ta"][1], "answer": "B", "country": "[]"}
    row |= {"option_a": "1", "option_b": LAKE["ta"][2], "option_c": "3", "option_d": "4"}
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    if place.endswith("csv"):
        path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n", encoding="utf-8-sig")
    else:
        write(path, [row])
    example = open_dataset(path, None, tmp_path).questions["ta"][0]
    assert (example.gold_option, example.answers, example.cluster) == (1, (LAKE["ta"][2],), "law/test/0")


@pytest.mark.parametrize("options", [{"choices": ["1", "2"]}, {f"option_{c}": n for n, c in enumerate("abcd", 1)}])
def test_include_has_a_language_a_row(tmp_path, options):
    base = {"country": "India", "regional_feature": "region explicit", "domain": "x", "subject": "y", "answer": 1}
    rows = [base | options | {"language": n, "question": q} for n, q in [("Hindi", "कितना?"), ("Basque", "Zenbat?")]]
    suite = open_dataset(write(tmp_path / "test.jsonl", rows), None, tmp_path)
    assert suite.languages == ["hi"]
    assert suite.questions["hi"][0].answers == ("2",)


def nomiracl(folder, lang="hindi"):
    for kind in ("relevant", "non_relevant"):
        for part, text in (
            ("topics", f"q-{kind}\tझील कितनी गहरी है?\n"),
            ("qrels", f"q-{kind}\tQ0\tp1\t{int(kind == 'relevant')}\nq-{kind}\tQ0\tp2\t0\n"),
        ):
            path = folder / lang / part / f"dev.{kind}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    rows = [{"docid": f"p{n}", "title": "झील", "text": f"{n} {LAKE['hi'][0]}"} for n in (1, 2, 3)]
    with gzip.open(folder / lang / "corpus.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(r) + "\n" for r in rows)
    return folder


def test_nomiracl_asks_each_question_of_its_own_judged_passages(tmp_path):
    suite = open_dataset(nomiracl(tmp_path / "data"), None, tmp_path)
    by_id = {e.id: e for e in suite.questions["hi"]}
    answerable, gap = by_id["q-relevant"], by_id["q-non_relevant"]
    assert (answerable.gold_docs, answerable.only) == (("p1",), {"p1", "p2"})
    assert (gap.answerable, gap.gap, gap.only) == (False, "near_miss", {"p1", "p2"})
    assert {d.id for d in suite.documents["hi"]} == {"p1", "p2"}
    (tmp_path / "data" / "hindi" / "corpus.jsonl.gz").unlink()
    with pytest.raises(CorpusFormatError, match=r"dev\.non_relevant\.tsv: row 1 is judged on the passage 'p1'"):
        open_dataset(tmp_path / "data", None, tmp_path)


def test_miracl_has_its_corpus_beside_and_blind_topics_are_left_out(tmp_path):
    name = "miracl-v1.0-zh"
    for part, file, text in (
        ("topics", f"topics.{name}-dev.tsv", f"1\t{LAKE['zh'][1]}\n"),
        ("topics", f"topics.{name}-testA.tsv", "2\t?\n"),
        ("qrels", f"qrels.{name}-dev.tsv", "1\tQ0\t7#0\t1\n"),
    ):
        (tmp_path / name / part).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / part / file).write_text(text, encoding="utf-8")
    write(tmp_path / "miracl-corpus-v1.0-zh" / "docs-0.jsonl", [{"docid": "7#0", "title": "湖", "text": LAKE["zh"][0]}])
    suite = open_dataset(tmp_path, None, tmp_path)
    assert [(e.id, e.gold_docs) for e in suite.questions["zh"]] == [("1", ("7#0",))]


def test_nomiracl_of_the_hub_is_the_same(tmp_path):
    judged = {"docid": "p1", "title": "湖", "text": LAKE["zh"][0]}
    row = {"query_id": "1", "query": LAKE["zh"][1], "positive_passages": [judged], "negative_passages": []}
    gap = row | {"query_id": "2", "positive_passages": [], "negative_passages": [judged]}
    suite = open_dataset(write(tmp_path / "chinese" / "dev.jsonl", [row, gap]), None, tmp_path)
    assert [(e.answerable, e.gold_docs) for e in suite.questions["zh"]] == [(True, ("p1",)), (False, ())]


@pytest.mark.parametrize(
    ("name", "row", "fault"),
    [
        ("x.jsonl", belebele("hi", correct_answer_num="5"), "row 2 has correct_answer_num '5', not 1 to 4"),
        ("x.jsonl", belebele("hi", question=" "), "row 2 has nothing in 'question'"),
        ("x.jsonl", belebele("hi", mc_answer2=None), "row 2 lacks 'mc_answer2'"),
        ("x.jsonl", belebele("hi", question=[1]), "row 2 has a list as 'question'"),
        ("x.jsonl", [1], "row 2 is not an object"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, name, row, fault):
    path = write(tmp_path / name, [belebele("hi"), row])
    with pytest.raises(CorpusFormatError, match=fault) as caught:
        open_dataset(path, None, tmp_path)
    assert str(path) in str(caught.value)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "xquad.hi.json"
    path.write_text('{"data": [{"title": "x", "paragraphs": [{"qas": [{"id": "1"}]}]}]}', encoding="utf-8")
    with pytest.raises(CorpusFormatError, match="article 1 is not in SQuAD's form"):
        open_dataset(path, None, tmp_path)
    path.write_text('{"data": [', encoding="utf-8")
    with pytest.raises(CorpusFormatError, match="is not JSON"):
        open_dataset(path, None, tmp_path)
    cut = tmp_path / "x.jsonl.gz"
    cut.write_bytes(gzip.compress(json.dumps(belebele("hi")).encode())[:-12])
    with pytest.raises(CorpusFormatError, match="cannot be read"):
        open_dataset(cut, None, tmp_path)


def test_what_is_of_no_format_says_what_was_looked_for(tmp_path):
    with pytest.raises(CorpusFormatError, match=r"flores_passage.*mc1_targets"):
        open_dataset(write(tmp_path / "x.jsonl", [{"a": 1}]), None, tmp_path)
    with pytest.raises(CorpusFormatError, match="is not there"):
        open_dataset(tmp_path / "nowhere", None, tmp_path)
    write(tmp_path / "mixed" / "a.jsonl", [belebele("hi")])
    squad(tmp_path / "mixed" / "xquad.hi.json", "hi")
    with pytest.raises(CorpusFormatError, match="mixes Belebele and SQuAD"):
        detect_format(tmp_path / "mixed")
    with pytest.raises(CorpusFormatError, match="no question in ta"):
        open_dataset(write(tmp_path / "y.jsonl", [belebele("hi")]), ["ta"], tmp_path)


def test_the_plain_folder_may_say_its_licence_and_have_options(tmp_path):
    write(tmp_path / "si.x.passages.jsonl", [{"pid": "1", "lang": "si", "text": "වැව ගැඹුරුයි."}])
    asked = {"qid": "q", "lang": "si", "question": "ගැඹුරු ද?", "answers": ["ඔව්"], "gold_pids": ["1"]}
    write(tmp_path / "si.x.questions.jsonl", [asked | {"options": ["ඔව්", "නැහැ"], "gold_option": 0}])
    assert "card.json" in open_dataset(tmp_path, None, tmp_path).card.licence
    card = {"name": "Mine", "licence": "CC0", "source": "me", "contamination": "none: never published"}
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    suite = open_dataset(tmp_path, None, tmp_path)
    assert (suite.card.name, suite.questions["si"][0].options[0]) == ("Mine", "ඔව්")
    (tmp_path / "card.json").write_text('{"name": "Mine"}', encoding="utf-8")
    with pytest.raises(CorpusFormatError, match="licence, source"):
        open_dataset(tmp_path, None, tmp_path)


def test_languages_have_many_names():
    assert set(FLORES.values()) == set(languages())
    assert [pack_code(n) for n in ("sin_Sinh", "Sinhala", "SI", "zh-CN", "Klingon")] == ["si", "si", "si", "zh", ""]
    assert all(f.card.licence and f.card.contamination and f.card.source for f in FORMATS)


def test_hub_sets_are_fetched_once_by_name_and_only_then(tmp_path):
    calls = []

    def load(name, config, *, split):
        calls.append((name, config, split))
        return [belebele("si" if config == "sin_Sinh" else "ta") for _ in range(1)]

    LAKE["si"] = ("වැව මීටර 40ක් ගැඹුරුයි.", "වැව කොතරම් ගැඹුරු ද?", "මීටර 40")
    path = fetch("hub:facebook/belebele", ["si", "ta"], tmp_path, load)
    assert fetch("hub:facebook/belebele", ["si", "ta"], tmp_path, load) == path
    assert calls == [("facebook/belebele", f"{n}", "test") for n in ("sin_Sinh", "tam_Taml")]
    assert open_dataset(path, ["si", "ta"], tmp_path).languages == ["si", "ta"]
    with pytest.raises(CorpusFormatError, match="say which: --langs"):
        fetch("hub:facebook/belebele", [], tmp_path, load)
    with pytest.raises(CorpusFormatError, match="CONFIGURATION:SPLIT"):
        fetch("hub:someone/something", ["en"], tmp_path, load)
    with pytest.raises(UnknownLanguageError):
        fetch("hub:facebook/belebele", ["xx"], tmp_path, load)


def test_a_hub_that_gives_nothing_leaves_nothing(tmp_path):
    def refuse(*_, **__):
        raise ConnectionError("offline")

    with pytest.raises(CorpusFormatError, match=r"the hub did not give google/xquad, xquad\.hi, validation: offline"):
        fetch("hub:google/xquad", ["hi"], tmp_path, refuse)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_the_hub_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(CorpusFormatError, match=r"pip install -e '.\[hub\]'"):
        fetch("hub:google/xquad", ["hi"], tmp_path)


def test_sets_of_one_name_have_indexes_of_their_own(tmp_path):
    names = [tmp_path / "a" / "test.jsonl", tmp_path / "b" / "test.jsonl", Path("hub:x/test.jsonl:en:dev")]
    folders = [index_folder(n, tmp_path) for n in names]
    assert len(set(folders)) == 3
    assert all(":" not in f.name and f.name.startswith("test.jsonl") for f in folders)


def test_the_language_of_a_file_is_its_names_before_its_folders(tmp_path):
    assert language_of(tmp_path / "en" / "xquad.ta.json") == "ta"
    assert language_of(tmp_path / "en" / "test.json") == "en"
    assert language_of(tmp_path / "en" / "data" / "test.json") == "en"
