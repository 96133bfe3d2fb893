"""Constraints are checked alike in any language; a stand-in that follows known shares is measured at these shares."""

import json
import shutil
from collections import Counter
from itertools import combinations

import pytest
import typer
from typer.testing import CliRunner

import eval.instructions.__main__ as command
from eval.baselines.instructions import Obedient, write_reply
from eval.datasets.own import own_questions
from eval.instructions.checks import Compliance, Constraint, check_constraint, parse_reply
from eval.instructions.metrics import (
    check_reply,
    compute_all_followed,
    compute_each_followed,
    compute_follow_rate,
    compute_went_first,
    format_change,
    make_sections,
)
from eval.instructions.tasks import MOST, SLOTS, choose_slots, find_own_digits, make_tasks, read_phrases, read_topics
from eval.metrics.answers import containment
from eval.runner.rows import predict
from eval.types import Prediction
from mlrag.documents.readers import read_documents
from mlrag.languages import language, languages
from mlrag.testing import FakeOpenAI
from mlrag.text.tokens import numbers
from tests.conftest import CORPORA

F, D, U = Compliance.FOLLOWED, Compliance.DROPPED, Compliance.UNDECIDED
LONG = {
    "en": "The river rises in the mountains and flows to the sea.",
    "ta": "இந்த ஆறு மலைகளில் உற்பத்தியாகிக் கடலில் கலக்கிறது.",
    "ar": "ينبع هذا النهر من الجبال ويصب في البحر الكبير.",
    "zh": "这条河发源于高山，流经许多城市和村庄，最后流入大海。",
    "bn": "এই নদী পাহাড় থেকে উৎপন্ন হয়ে সাগরে গিয়ে মেশে।",
}


def verdict(kind, text, lang, number=0, wanted="", passages=2):
    return check_constraint(Constraint(kind, number, wanted), parse_reply(text, passages), language(lang))


@pytest.mark.parametrize(
    ("kind", "lang", "text", "number", "wanted", "expected"),
    [
        ("language", "ta", LONG["ta"], 0, "", F),
        ("language", "ta", LONG["en"], 0, "", D),
        ("language", "ta", "ஆறு", 0, "", U),
        ("language", "ar", '{"title": "نهر", "text": "' + LONG["ar"] + '"}', 0, "", F),  # keys are no prose
        ("words", "en", LONG["en"], 11, "", F),
        ("words", "en", LONG["en"], 10, "", D),
        ("words", "ta", LONG["ta"], 6, "", F),
        ("words", "ta", LONG["ta"], 5, "", D),
        ("words", "ar", "نعم.", 5, "", U),
        ("words", "en", "- one two three four five [1]\n- six seven eight nine", 9, "", F),
        ("characters", "zh", LONG["zh"], 26, "", F),
        ("characters", "zh", LONG["zh"], 25, "", D),
        ("sentences", "bn", LONG["bn"] * 2, 2, "", F),
        ("sentences", "zh", LONG["zh"] + "好。", 2, "", F),
        ("sentences", "en", "It ends. [1] It goes on. [2]", 2, "", F),
        ("sentences", "ar", LONG["ar"], 2, "", D),
        ("sentences", "ta", LONG["ta"].replace(".", " ") * 8, 3, "", U),  # no stop anywhere: nothing can be counted
        ("json", "en", '{"title": "a", "text": "b"}', 0, "", F),
        ("json", "ar", '```json\n{"title": "أ", "text": "ب"}\n```', 0, "", F),
        ("json", "en", '{"title": "a", "text": "b"} done', 0, "", D),
        ("json", "en", '{"title": "a", "text": ["b"]}', 0, "", D),
        ("json", "en", '{"title": "a", "text": "b", "more": "c"}', 0, "", D),
        ("bullets", "ta", "- ஒன்று\n- இரண்டு", 2, "", F),
        ("bullets", "ja", "・一\n・二\n・三", 2, "", D),
        ("bullets", "hi", "१. एक\n२. दो", 2, "", F),
        ("bullets", "en", "one - two\nthree", 2, "", D),
        ("cite", "bn", "নদী [১]।", 0, "", F),
        ("cite", "zh", "河［1、2］。", 0, "", F),
        ("cite", "en", "River [3].", 0, "", D),
        ("cite", "en", "River.", 0, "", D),
        ("include", "ta", "அது மலேரியாவின் தலைநகரம்", 0, "மலேரியா", F),
        ("include", "zh", "流入地中海。", 0, "大海", D),
        ("exclude", "en", LONG["en"] + " In 1961.", 0, "1961", D),
        ("exclude", "bn", LONG["bn"] + " ১৯৬১", 0, "1961", D),
        ("exclude", "en", LONG["en"] + " In 19612.", 0, "1961", F),
        ("exclude", "en", "No.", 0, "1961", U),
        ("native_digits", "bn", LONG["bn"] + " ১৯৬১ [1]", 0, "০১২৩৪৫৬৭৮৯", F),
        ("native_digits", "bn", LONG["bn"] + " 1961", 0, "০১২৩৪৫৬৭৮৯", D),
        ("native_digits", "bn", LONG["bn"], 0, "০১২৩৪৫৬৭৮৯", U),
        ("no_digits", "en", LONG["en"] + " [2]", 0, "", F),
        ("no_digits", "ja", "1961年", 0, "", D),
        ("no_digits", "en", "-", 0, "", U),
    ],
)
def test_a_checker_reads_any_script_and_says_where_it_cannot_tell(kind, lang, text, number, wanted, expected):
    assert verdict(kind, text, lang, number, wanted) is expected


@pytest.mark.parametrize("code", list(languages()))
def test_the_phrases_of_a_language_say_all_that_is_asked(code):
    pack = language(code)
    kinds = {"language", "sentences", "json", "bullets", "cite", "include", "exclude"}
    kinds |= {"words" if pack.spaced else "characters", "native_digits" if find_own_digits(pack) else "no_digits"}
    found = read_phrases(code)
    assert set(found) == kinds | {"native_checked", "task", "rules"}
    assert found["native_checked"] is False
    assert len(found["task"]) == 2
    slots = {"words": "{n}", "characters": "{n}", "sentences": "{n}", "bullets": "{n}", "include": "{text}"}
    slots |= {"exclude": "{number}", "native_digits": "{digits}"}
    assert all(found[kind].count(slots.get(kind, "[1]" if kind == "cite" else "")) >= 1 for kind in kinds)
    assert '"title"' in found["json"]
    assert '"text"' in found["json"]


def test_stacks_hold_every_kind_equally_and_nothing_that_contradicts_itself():
    seen = Counter(
        (slot, level) for place in range(16) for level in range(1, MOST + 1) for slot in choose_slots(place)[:level]
    )
    assert [seen[slot, 1] for slot in SLOTS] == [2] * 8
    assert {seen[slot, 4] for slot in SLOTS} == {8}
    assert sorted({seen[slot, 5] for slot in SLOTS}) == [8, 12]
    for place in range(16):
        assert not {"sentences", "format"} <= set(choose_slots(place))
        assert not {"exclude", "digits"} <= set(choose_slots(place))


@pytest.mark.parametrize("code", list(languages()))
def test_what_a_task_asks_can_be_done_from_its_passage(code):
    pack = language(code)
    documents = {d.meta["topic"]: d for d in read_documents([CORPORA / code], code)}
    answers = {e.id: e.answers for e in own_questions(code) if e.answerable}
    for topic, asked in read_topics().items():
        assert asked["exclude"] in numbers(documents[topic].text)
        assert not any(c.isdecimal() for c in answers[asked["include"]][0])
        assert containment(documents[topic].text, answers[asked["include"]], pack) == 1.0
    for task in make_tasks(code, CORPORA):
        assert all(c.text in task.example.question for c in task.constraints)
        assert "{" not in task.example.question.replace('{"', "")


@pytest.mark.parametrize("code", ["en", "zh", "ta", "ar"])
def test_every_constraint_is_seen_followed_and_seen_dropped(code):
    pack = language(code)
    for task in make_tasks(code, CORPORA, 40):
        kinds = [c.kind for c in task.constraints]
        for lost in ((), *((k,) for k in kinds), *combinations(kinds, 2)):
            said = parse_reply(write_reply(task, lost), len(task.passages))
            for c in task.constraints:
                assert check_constraint(c, said, pack) is (D if c.kind in lost else F), (task.example.id, lost, c)


def measured(codes, shares):
    found = {}
    for code in codes:
        there = make_tasks(code, CORPORA)
        asker = Obedient(there, shares)
        found[code] = [check_reply(t, predict(asker, t.example, "v")) for t in there]
    return found


def test_known_rates_are_measured_and_the_one_that_goes_first_is_named():
    rows = measured(["en", "si"], {"cite": 0.25, "words": 0.75})  # each asked 32 times a language
    assert compute_follow_rate(rows, "cite", range(1, 6)).value == 0.25
    assert compute_follow_rate(rows, "words", range(1, 6)).value == 0.75
    assert compute_follow_rate(rows, "include", range(1, 6)).value == 1.0
    assert 0.25 in compute_follow_rate(rows, "cite", range(1, 6)).interval
    shares = {kind: compute_went_first(rows, kind).value for kind in ("cite", "words", "language")}
    assert shares["cite"] > shares["words"] > shares["language"] == 0
    asked = dropped = 0
    for there in rows.values():
        for c in there:
            asked += len(c.verdicts) * (c.level == 5)
            dropped += c.verdicts.count(D) * (c.level == 5)
    assert compute_each_followed(rows, list(rows), 5).value == pytest.approx(1 - dropped / asked)
    assert compute_all_followed(rows, list(rows), 1).value > compute_all_followed(rows, list(rows), 5).value


def test_one_that_is_lost_when_others_come_changes_by_so_much():
    there = make_tasks("en", CORPORA)
    lost = {t.example.id for t in there if len(t.constraints) == 5}
    rows = [Prediction(t.example.id, "v", write_reply(t, {"include"} if t.example.id in lost else ())) for t in there]
    found = {"en": [check_reply(t, p) for t, p in zip(there, rows, strict=True)]}
    assert format_change(found, "include").startswith("-100.0 [")
    assert format_change(found, "cite").startswith("+0.0 [")


def test_silence_follows_nothing_failures_are_counted_apart_and_the_undecided_are_no_success():
    there = make_tasks("en", CORPORA, 5)
    silent = check_reply(there[4], Prediction("x", "v", text="", abstained=True))
    assert set(silent.verdicts) == {D}
    assert check_reply(there[0], Prediction("x", "v", error="no server")) is None
    short = check_reply(there[0], Prediction("x", "v", text="Yes."))
    assert short.verdicts == (U,)
    assert short.all_followed is None
    pairs = [(t, Prediction(t.example.id, "v", error="no server")) for t in there]
    lines = make_sections({"v": {"en": pairs}})[0].lines()
    assert lines[0] == ["v", "all", "–", "–", "–", "–", "–", "–", "–", "", "5: no server"]


def test_the_command_asks_a_model_and_the_extractive_goes_on_where_it_stopped_and_writes_a_page(
    tmp_path, monkeypatch, indexed
):
    for code in ("en", "ta"):
        shutil.copytree(indexed / "index" / code, tmp_path / "var" / "eval" / "own-index" / code)
    monkeypatch.setenv("MLRAG_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("MLRAG_CORPORA", str(CORPORA))
    app = typer.Typer()
    app.command()(command.main)
    by_prompt = {t.example.question: t for code in ("en", "ta") for t in make_tasks(code, CORPORA, 5)}
    with FakeOpenAI(reply=lambda body: write_reply(by_prompt[body["messages"][-1]["content"]], ())) as double:
        monkeypatch.setenv("MLRAG_OPENAI_URL", double.url + "/v1")
        args = ["--langs", "en,ta", "--limit", "5", "--variants", "openai:gemma4:e4b,extractive", "--json"]
        result = CliRunner().invoke(app, args)
        assert result.exit_code == 0, result.output
        again = CliRunner().invoke(app, args)
        assert len(double.requests) == 10
    found = json.loads(result.stdout)
    assert json.loads(again.stdout) == found
    each = found["sections"]["Each constraint followed, by how many there are"]
    assert each[0]["variant"] == "openai:gemma4:e4b"
    assert [each[0][n]["value"] for n in "12345"] == [1.0] * 5
    floor = next(row for row in each if row["variant"] == "extractive" and row["group"] == "all")
    assert floor["failed"] == ""
    assert 0 < floor["5"]["value"] < 1
    page = (tmp_path / "var" / "reports" / found["run"] / "index.html").read_text(encoding="utf-8")
    assert "Constraint stacking" in page
    assert "stand-in" in page
    assert "<script" not in page
    assert "100.0 [" in page
