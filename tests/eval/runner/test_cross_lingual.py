"""Questions in one language asked of documents in another: which are parallel, and what they find."""

import json

import pytest
import typer
from typer.testing import CliRunner

import eval.retrieval
from eval.datasets.own import own_questions
from eval.results.cross_lingual import CROSS_METRICS, CrossLingualRow, score_cross_lingual
from eval.results.evaluate import add_metrics
from eval.results.run_report import RunReport, VariantReport
from eval.results.scores import summarise_tier
from eval.runner.cross_lingual import make_cross_lingual, read_cross_lingual, write_cross_lingual
from eval.types import Example
from mlrag.languages import languages
from mlrag.types import Document
from tests.conftest import CORPORA

ROOM = {
    "en": ("When does the reading room open?", "The reading room opens at nine."),
    "ta": ("வாசிப்பறை எப்போது திறக்கும்?", "வாசிப்பறை காலை ஒன்பது மணிக்குத் திறக்கும்."),
    "zh": ("阅览室几点开门？", "阅览室早上九点开门。"),
    "ar": ("متى تفتح قاعة القراءة؟", "تفتح قاعة القراءة في الساعة التاسعة صباحا."),
}


def asked(id, lang, *gold):
    return Example(id, lang, ROOM[lang][0], bool(gold), ("9",) if gold else (), gold, cluster=id)


def documents(lang, *ids):
    return [Document(id, lang, ROOM[lang][1]) for id in ids]


@pytest.mark.parametrize("lang", [code for code in languages() if code != "en"])
def test_our_english_questions_have_the_same_document_in_every_language(lang):
    english, own = own_questions("en"), own_questions(lang)
    there = [Document(f"{lang}-{path.stem}", lang, "") for path in (CORPORA / lang).glob("*.md")]
    golds = {e.id: e.gold_docs for e in make_cross_lingual(english, own, there, lang)}
    assert len(golds) == 54
    assert golds == {e.id: e.gold_docs for e in own if e.gold_docs}
    assert all(d.split("-", 1)[1] in {g.split("-", 1)[1] for g in golds[e.id]} for e in english for d in e.gold_docs)


def test_gold_is_the_own_questions_else_the_document_of_the_same_id():
    source = [asked("q1", "en", "en-a"), asked("q2", "en", "b"), asked("q3", "en")]
    found = make_cross_lingual(source, [asked("q1", "ta", "ta-a")], documents("ta", "ta-a", "b"), "ta")
    assert [(e.id, e.lang, e.question, e.gold_docs) for e in found] == [
        ("q1", "ta", ROOM["en"][0], ("ta-a",)),
        ("q2", "ta", ROOM["en"][0], ("b",)),
    ]


def test_ids_shared_by_accident_make_no_parallel_set():
    source = [asked(f"q{n}", "en", f"p{n}") for n in range(5)]
    assert make_cross_lingual(source, [], documents("zh", "p0", "p1"), "zh") == []
    assert len(make_cross_lingual(source, [], documents("zh", "p0", "p1", "p2"), "zh")) == 3


def test_metrics_are_the_ones_worked_out_by_hand_and_stored_next_to_the_rows(tmp_path):
    """ta: found at rank 2 and not at all; ar: found first. A tier is the mean of its languages."""
    rows = [
        CrossLingualRow("ta", "q1", ("a",), ("b", "a")),
        CrossLingualRow("ta", "q2", ("a",), ("b", "c")),
        CrossLingualRow("ar", "q1", ("a",), ("a",)),
    ]
    write_cross_lingual(tmp_path, rows)
    assert read_cross_lingual(tmp_path) == rows
    assert read_cross_lingual(tmp_path / "none") == []
    ta, both = score_cross_lingual(rows, ["ta"]), score_cross_lingual(rows, ["ta", "ar", "zh"])
    assert [ta[name].value for name in CROSS_METRICS[:2]] == [0.5, 0.25]
    assert ta["cross:ndcg@10"].value == pytest.approx(0.5 / 1.584962500721156)
    assert (both["cross:recall@5"].value, both["cross:recall@5"].n) == (0.75, 3)
    assert score_cross_lingual(rows, ["zh"]) == {}


def test_every_row_of_the_table_gets_the_metrics_of_its_languages():
    report = summarise_tier({}, [])
    variant = VariantReport([], False, {"T3": report}, {"ta": report, "sw": report}, {}, {}, {})
    seen = []
    add_metrics(
        RunReport("r", {}, {"e4b": variant}, []), lambda variant, langs: seen.append((variant, sorted(langs))) or {}
    )
    assert seen == [("e4b", ["ta"]), ("e4b", ["sw"]), ("e4b", ["sw", "ta"])]


def write_set(folder):
    """Questions in English only; documents of the same ids in four languages."""
    for lang in ROOM:
        rows = [{"pid": "room", "lang": lang, "text": ROOM[lang][1]}, {"pid": "x", "lang": lang, "text": "42."}]
        (folder / f"{lang}.passages.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    question = {"qid": "q", "lang": "en", "question": ROOM["en"][0], "answers": ["nine"], "gold_pids": ["room"]}
    (folder / "en.questions.jsonl").write_text(json.dumps(question), encoding="utf-8")
    return folder


def test_the_command_asks_english_questions_of_every_language(tmp_path, monkeypatch):
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    command = typer.Typer()
    command.command()(eval.retrieval.main)
    (tmp_path / "set").mkdir()
    args = ["--data", str(write_set(tmp_path / "set"))]
    done = CliRunner().invoke(command, [*args, "--langs", "ta,zh,ar", "--cross", "en", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["languages"]
    assert set(found) == {"ta", "zh", "ar"}
    assert all(found[lang]["dense"]["recall@5"] == 1 for lang in found)
    none = CliRunner().invoke(command, [*args, "--cross", "ta"])
    assert none.exit_code == 1
    assert "questions in ta with a parallel one" in " ".join(none.output.split())
    unknown = CliRunner().invoke(command, [*args, "--cross", "xx"])
    assert unknown.exit_code == 1
